//! Faults of the link between whoever logs in and the node.

use std::time::Duration;

use super::{StandIn, StandInError};

/// Undoes both; none is fine.
const RESTORE: &str = r#"
tc qdisc del dev eth0 root 2>/dev/null || :
nft delete table inet stand_in 2>/dev/null || :
"#;
/// What the node sends waits (`$1`) and goes out at a rate (`$2`, kilobits a second); a kernel without netem can only do the
/// latter. What comes in faster than that is dropped, by which its sender slows down.
const SLOW: &str = r#"
tc qdisc replace dev eth0 root netem delay "$1" rate "$2kbit" 2>/dev/null ||
    tc qdisc replace dev eth0 root tbf rate "$2kbit" burst 32kb latency 400ms
nft -f - <<END
table inet stand_in {
    chain input {
        type filter hook input priority -300;
        iifname "eth0" limit rate over $(($2 / 8)) kbytes/second burst 32 kbytes drop;
    }
}
END
"#;
/// Loses all that comes in and goes out.
const DROP: &str = r#"
nft -f - <<END
table inet stand_in {
    chain input { type filter hook input priority -300; iifname "eth0" drop; }
    chain output { type filter hook output priority -300; oifname "eth0" drop; }
}
END
"#;

impl StandIn {
    /// Makes the link slow: each packet from the node takes so much longer, where the kernel can do that, and so many
    /// kilobits a second go through, at least 8.
    pub async fn slow_link(&self, delay: Duration, kilobits: u32) -> Result<(), StandInError> {
        let delay = format!("{}ms", delay.as_millis());
        let rate = kilobits.max(8).to_string();
        self.script(&format!("{RESTORE}{SLOW}"), &[&delay, &rate])
            .await
    }

    /// Drops the link: nothing comes through any more, and nobody is told.
    pub async fn drop_link(&self) -> Result<(), StandInError> {
        self.script(&format!("{RESTORE}{DROP}"), &[]).await
    }

    /// Makes the link as it was.
    pub async fn restore_link(&self) -> Result<(), StandInError> {
        self.script(RESTORE, &[]).await
    }
}
