//! Faults of the link between whoever logs in and the node.

use std::time::Duration;

use super::{StandIn, StandInError};

/// Slows what the node sends. A kernel without netem can only bound the rate.
const SLOW: &str = "tc qdisc replace dev eth0 root netem delay \"$1\" rate \"$2\" 2>/dev/null ||
    tc qdisc replace dev eth0 root tbf rate \"$2\" burst 32kb latency 400ms";
/// Undoes both faults; none is fine.
const RESTORE: &str =
    "tc qdisc del dev eth0 root 2>/dev/null; nft delete table inet stand_in 2>/dev/null; :";
/// Loses all that comes in and goes out by the interface.
const DROP: &str = "table inet stand_in {
    chain input { type filter hook input priority -300; iifname \"eth0\" drop; }
    chain output { type filter hook output priority -300; oifname \"eth0\" drop; }
}";

impl StandIn {
    /// Makes the link slow: each packet that the node sends takes so much longer, and so many kilobits go through a second.
    pub async fn slow_link(&self, delay: Duration, kilobits: u32) -> Result<(), StandInError> {
        let delay = format!("{}ms", delay.as_millis());
        let rate = format!("{kilobits}kbit");
        let argv = ["sh", "-euc", SLOW, "sh", &delay, &rate];
        self.lab.succeed(&argv).await?;
        Ok(())
    }

    /// Drops the link: nothing comes through any more, and nobody is told.
    pub async fn drop_link(&self) -> Result<(), StandInError> {
        let script = format!("nft -f - <<'END'\n{DROP}\nEND\n");
        self.lab.succeed(&["sh", "-euc", &script]).await?;
        Ok(())
    }

    /// Makes the link as it was.
    pub async fn restore_link(&self) -> Result<(), StandInError> {
        self.lab.succeed(&["sh", "-uc", RESTORE]).await?;
        Ok(())
    }
}
