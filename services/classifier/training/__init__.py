"""Making a model file: the corpus read, the weights fitted, the confidences set right, the model judged."""
