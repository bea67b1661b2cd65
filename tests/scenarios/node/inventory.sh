# What a node holds, one thing a line; what the daemon writes for itself, whatever is installed, is left out.
set -eu
podman ps --all --format 'container {{.Names}}'
podman volume ls --format 'volume {{.Name}}'
podman network ls --format 'network {{.Name}}'
podman secret ls --format 'secret {{.Name}}'
podman images --format 'image {{.Repository}}:{{.Tag}} {{.Id}}' | while read -r kind name id; do
    case $name in
    '<none>'*) echo "$kind $id" ;;
    *) echo "$kind $name" ;;
    esac
done
for folder in /etc/archipelago /etc/archipelago/apps; do
    if test -d "$folder"; then echo "folder $folder"; fi
done
if test -d /etc/archipelago/apps; then find /etc/archipelago/apps -type f -printf 'file %p\n'; fi
# Below the daemon's own books: what belongs to packages.
find /var/lib/archipelago -mindepth 2 -type f ! -name '.*' -printf 'file %p\n'
# podman's monitors: one each for a container that runs, and for an exec.
ps -e -o args= | sed -n 's/^[^ ]*conmon .* -n \([^ ]*\) .*/process conmon of \1/p'
