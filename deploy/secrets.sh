#!/bin/sh
# Makes the secrets of a new installation, as files:  deploy/secrets.sh FOLDER DATABASE_HOST:PORT
# What is there already stays: the deployment's secret has to be the same for ever. The operator's API key is printed
# once. Needs openssl and the `guichet` command.
set -eu
folder=${1:?a folder} database=${2:?the database\'s host:port}
umask 077
for part in shared migrate ingest router responder reports grafana; do mkdir -p "$folder/$part"; done
keep() {  # keep FILE CONTENT: without a line's end, readable by the containers' own users; the folder is closed
  [ -e "$folder/$1" ] || printf %s "$2" > "$folder/$1"
  chmod 444 "$folder/$1"
}
keep shared/secret "$(openssl rand -hex 32)"
for role in migrate ingest router responder reports; do
  keep "$role/username" "guichet_$role"
  keep "$role/password" "$(openssl rand -hex 24)"
  keep "$role/database-url" "postgresql://guichet_$role:$(cat "$folder/$role/password")@$database/guichet"
done
keep grafana/password "$(openssl rand -hex 24)"
keep responder/x-token 'sandbox-{handle}'  # replace it by the token of X
if [ ! -e "$folder/shared/keys.toml" ]; then
  GUICHET_KEYS="$folder/shared/keys.toml" "${GUICHET:-guichet}" keys add --name operator --role admin
fi
chmod 444 "$folder/shared/keys.toml"
