# Runs once, after roles.sql, in the database's own container: the passwords come from the files the services have.
set -eu
for role in migrate ingest router responder reports; do
  psql --set ON_ERROR_STOP=1 --username postgres --dbname guichet --set role="guichet_$role" \
    --set password="$(cat "/run/secrets/$role-password")" <<'SQL'
ALTER ROLE :"role" LOGIN PASSWORD :'password';
SQL
done
