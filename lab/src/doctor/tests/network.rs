//! Addresses and kernel modules of container networks.

use super::*;
use crate::host::{KernelModules, Presence, Route, Subnet};

#[test]
fn a_route_inside_an_inner_network_is_unfit_and_one_around_it_a_warning() {
    let verdict = |base, prefix| {
        let mut host = fedora();
        host.routes.as_mut().expect("routes").push(Route {
            to: Subnet::new(base, prefix),
            interface: "tun0".to_owned(),
        });
        let check = check("subnets", &host, &podman());
        (check.verdict, check.remedy)
    };
    let mend = |subnet| Some(format!("sudo ip route del {subnet} dev tun0"));
    let unfit = |subnet| (Verdict::Unfit, mend(subnet));
    assert_eq!(verdict([10, 77, 0, 0], 16), unfit("10.77.0.0/16"));
    assert_eq!(verdict([10, 78, 9, 0], 24), unfit("10.78.9.0/24"));
    assert_eq!(
        verdict([10, 0, 0, 0], 8),
        (Verdict::Warning, mend("10.0.0.0/8"))
    );
    assert_eq!(verdict([10, 88, 0, 0], 16), (Verdict::Good, None));
    assert_eq!(verdict([10, 79, 0, 0], 16), (Verdict::Good, None));
}

#[test]
fn modules_are_missing_loadable_or_not_to_be_told() {
    let verdict = |change: fn(&mut KernelModules)| {
        let mut host = fedora();
        change(host.modules.as_mut().expect("modules"));
        check("network modules", &host, &podman())
    };
    let missing = verdict(|modules| modules.veth = Presence::Missing);
    assert_eq!(missing.verdict, Verdict::Unfit);
    assert_eq!(
        remedy(&missing),
        "sudo dnf install -y kernel-modules-$(uname -r) && sudo modprobe -a veth"
    );
    let loadable = verdict(|modules| modules.bridge = Presence::Loadable);
    assert_eq!(loadable.verdict, Verdict::Good);
    assert!(
        loadable
            .found
            .ends_with("(loaded at first use: bridge veth)")
    );
    let unknown = verdict(|modules| modules.bridge = Presence::Unknown);
    assert_eq!(unknown.verdict, Verdict::Unknown);
    assert_eq!(remedy(&unknown), "sudo modprobe -a bridge");
    let older = verdict(|modules| {
        modules.nf_tables = Presence::Missing;
        modules.ip_tables = Presence::There;
    });
    assert_eq!(older.verdict, Verdict::Good, "one packet filter is enough");
}
