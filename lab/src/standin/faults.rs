//! Faults of the node itself: what scripts that deploy to a node have to live with. Each can be undone.

use super::{StandIn, StandInError};

/// Makes a folder (`$1`) a disk of its own, with all that is in it, and fills that to the last byte.
const FILL: &str = r#"
small="/run/full$1"
[ -d "$small" ] || mkdir -p "$small"
size=$(du -sk "$1" | cut -f1)
mount -t tmpfs -o "size=$((size + 256))k" full "$small"
cp -a "$1/." "$small"
chmod --reference="$1" "$small"
chown --reference="$1" "$small"
mount --bind "$small" "$1"
! dd if=/dev/zero of="$1/.filler" bs=1k 2>/dev/null
"#;
/// Room again; what was written meanwhile stays until the next boot.
const FREE: &str = r#"rm -f "$1/.filler"; mount -o remount,size=50% "/run/full$1""#;
/// A key of the host that nobody knows.
const NEW_HOST_KEY: &str = r#"
cd /etc/ssh
[ -e known_key ] || mv ssh_host_ed25519_key known_key
rm -f ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key
"#;
/// The one that is in the list of known hosts.
const OLD_HOST_KEY: &str =
    "cd /etc/ssh; [ ! -e known_key ] || mv -f known_key ssh_host_ed25519_key";
/// Debian's name, then Fedora's.
pub(super) const RESTART_SSH: &str = "systemctl restart ssh 2>/dev/null || systemctl restart sshd";

impl StandIn {
    /// Leaves no room on the disk where this folder of the node is. Nothing else is on that disk.
    pub async fn fill_disk(&self, folder: &str) -> Result<(), StandInError> {
        self.script(FILL, &[folder]).await
    }

    /// Gives a filled disk room again.
    pub async fn free_disk(&self, folder: &str) -> Result<(), StandInError> {
        self.script(FREE, &[folder]).await
    }

    /// The node has another host key from now on, as after a reinstallation or behind somebody in the middle.
    pub async fn change_host_key(&self) -> Result<(), StandInError> {
        self.script(&format!("{NEW_HOST_KEY}{RESTART_SSH}"), &[])
            .await
    }

    /// The node has the host key again that its list of known hosts has.
    pub async fn restore_host_key(&self) -> Result<(), StandInError> {
        self.script(&format!("{OLD_HOST_KEY}\n{RESTART_SSH}"), &[])
            .await
    }

    /// The user may not become root any more.
    pub async fn revoke_sudo(&self) -> Result<(), StandInError> {
        let user = &self.settings.user;
        self.script(r#"mv -f "/etc/sudoers.d/$1" /etc/revoked"#, &[user])
            .await
    }

    /// The user may become root again.
    pub async fn grant_sudo(&self) -> Result<(), StandInError> {
        let user = &self.settings.user;
        self.script(r#"mv -f /etc/revoked "/etc/sudoers.d/$1""#, &[user])
            .await
    }

    /// The service's token is not where it should be. The service makes another one when it starts.
    pub async fn lose_token(&self) -> Result<(), StandInError> {
        let token = &self.settings.service.token;
        self.script(r#"mv -f "$1" "$1.lost""#, &[token]).await
    }

    /// The service's token is there again.
    pub async fn restore_token(&self) -> Result<(), StandInError> {
        let token = &self.settings.service.token;
        self.script(r#"mv -f "$1.lost" "$1""#, &[token]).await
    }

    /// Runs a shell script as root, past ssh.
    pub(super) async fn script(&self, script: &str, args: &[&str]) -> Result<(), StandInError> {
        let argv = [&["sh", "-euc", script, "sh"], args].concat();
        self.lab.succeed(&argv).await?;
        Ok(())
    }
}
