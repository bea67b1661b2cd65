//! What container networks need: free addresses and kernel modules.

use super::remedy::Remedies;
use super::report::{Finding, judge};
use crate::host::{HostFacts, KernelModules, Presence, Route, Subnet};

/// Networks that the podman inside a lab gives to its containers: its default one, and those made later.
///
/// `10.88.0.0/16`, podman's own default, is not among them: it belongs to the outer engine.
pub const INNER_SUBNETS: [Subnet; 2] = [
    Subnet::new([10, 77, 0, 0], 16),
    Subnet::new([10, 78, 0, 0], 16),
];

/// Are the networks inside a lab unknown outside it?
pub(super) fn subnets(routes: &[Route], remedies: &Remedies) -> Finding {
    let [default, others] = INNER_SUBNETS;
    let free = Finding::good(format!("{default} and {others} are free"));
    routes
        .iter()
        .filter(|route| route.to.prefix > 0)
        .filter_map(|route| collision(route, remedies))
        .fold(free, Finding::or_worse)
}

/// What a route means for the networks inside a lab, if anything.
fn collision(route: &Route, remedies: &Remedies) -> Option<Finding> {
    let Route { to, interface } = route;
    let inside = |inner: &&Subnet| inner.contains(to);
    let around = |inner: &&Subnet| to.contains(inner);
    let remedy = || remedies.as_root(&format!("ip route del {to} dev {interface}"));
    // Addresses that a lab would use are in use: what it sends to them does not come back.
    if let Some(inner) = INNER_SUBNETS.iter().find(inside) {
        let found = format!("{to} on {interface} lies in {inner}, which labs use");
        return Some(Finding::unfit(found, remedy()));
    }
    // A wide route, of a VPN as a rule: labs merely cannot reach this part of it.
    INNER_SUBNETS.iter().find(around).map(|inner| {
        let found = format!("{to} on {interface}: its part {inner} cannot be reached from a lab");
        Finding::warning(found, remedy())
    })
}

/// Does the kernel have bridges, pairs of interfaces and a packet filter?
pub(super) fn modules(host: &HostFacts, rootless: bool, remedies: &Remedies) -> Finding {
    let modules = judge(&host.modules, |modules| in_kernel(modules, remedies));
    modules.or_worse(judge(&host.tun_device, |tun| match (tun, rootless) {
        (true, _) => Finding::good("/dev/net/tun is there"),
        (false, true) => Finding::unfit(
            "no /dev/net/tun, which rootless networks need",
            remedies.modprobe("tun"),
        ),
        (false, false) => Finding::warning(
            "no /dev/net/tun: nothing rootless can run in a lab",
            remedies.modprobe("tun"),
        ),
    }))
}

fn in_kernel(modules: &KernelModules, remedies: &Remedies) -> Finding {
    let filter = if modules.nf_tables <= modules.ip_tables {
        ("nf_tables", modules.nf_tables)
    } else {
        ("ip_tables", modules.ip_tables)
    };
    let needs = [("bridge", modules.bridge), ("veth", modules.veth), filter];
    let named = |presence: Presence| {
        let names = needs.iter().filter(|(_, stands)| *stands == presence);
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    };
    let all = needs.map(|(name, _)| name).join(", ");
    match needs.iter().map(|(_, presence)| *presence).max() {
        Some(Presence::Missing) => {
            let missing = named(Presence::Missing);
            let remedy = remedies.install_modules(&missing);
            Finding::unfit(format!("the kernel lacks {missing}"), remedy)
        }
        Some(Presence::Unknown) => {
            Finding::unknown(format!("cannot tell: {}", named(Presence::Unknown)))
                .with_remedy(remedies.modprobe(&named(Presence::Unknown)))
        }
        Some(Presence::Loadable) => Finding::good(format!(
            "{all} (loaded at first use: {})",
            named(Presence::Loadable)
        )),
        Some(Presence::There) | None => Finding::good(all),
    }
}
