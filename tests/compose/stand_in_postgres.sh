#!/bin/sh
# Stands in for the entry of the image postgres: creates the database of POSTGRES_DB, runs what is mounted, serves.
set -eu
data=/var/lib/postgresql/data
initdb --pgdata="$data" --username=postgres --auth="$POSTGRES_HOST_AUTH_METHOD" --encoding=UTF8 --no-sync >/dev/null
echo "host all all all $POSTGRES_HOST_AUTH_METHOD" >>"$data/pg_hba.conf"
local="-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql"
pg_ctl --pgdata="$data" --wait --silent --log=/var/run/postgresql/log --options="$local" start
createdb --host=/var/run/postgresql --username=postgres "$POSTGRES_DB"
for file in /docker-entrypoint-initdb.d/*.sql; do
  psql --host=/var/run/postgresql --username=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file="$file" "$POSTGRES_DB"
done
pg_ctl --pgdata="$data" --wait --silent --mode=fast stop
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
