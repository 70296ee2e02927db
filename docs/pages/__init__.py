"""The pages of the reference, one file each: a function from the code to Markdown."""
