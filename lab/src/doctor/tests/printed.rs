//! What a person and a program get to see.

use super::*;

#[test]
fn a_report_is_an_aligned_table_with_remedies() {
    let engine = EngineFacts {
        kind: Some("podman".to_owned()),
        builds_bases: true,
        ..EngineFacts::default()
    };
    let mut host = ci();
    host.disk.as_mut().expect("disk").free_bytes = 9 << 29;
    let expected = "\
UNFIT  engine             none answers and podman is not installed
         mend: apt-get update && apt-get install -y podman crun netavark aardvark-dns fuse-overlayfs slirp4netns uidmap iptables nftables
?      privileges         no engine to ask
warn   cgroup version     v1 with v2 beside it at /sys/fs/cgroup/unified, which the lab hides from the podman it starts: systemd 258 and newer (Fedora 43) need v2, Debian bases do not
         mend: sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub && update-grub && reboot
ok     memory controller  memory can be limited
ok     overlay            in the kernel
ok     subnets            10.77.0.0/16 and 10.78.0.0/16 are free
ok     inotify            128 instances, 192536 watches a user
ok     pids               kernel.pid_max 32768
ok     limits             20000 open files, 96365 processes
warn   disk               4.5 GiB and 4000000 inodes free at /var/lib/containers
         mend: podman image prune -f
ok     memory             23.0 GiB available, 0.0 GiB swap free, 2 CPUs
ok     network modules    bridge, veth, nf_tables
ok     base maker         mmdebstrap makes Debian bases without a registry
";
    let report = Report::new(checks(&host, &engine));
    assert_eq!(report.to_string(), expected);
    assert!(!report.fit);
}

#[test]
fn json_has_the_documented_shape() {
    let report = Report::new(vec![
        Check {
            name: "disk",
            verdict: Verdict::Unfit,
            found: "full".to_owned(),
            remedy: Some("rm".to_owned()),
        },
        Check {
            name: "pids",
            verdict: Verdict::Unknown,
            found: "cannot tell".to_owned(),
            remedy: None,
        },
    ]);
    assert_eq!(
        serde_json::to_value(&report).expect("JSON"),
        serde_json::json!({
            "fit": false,
            "checks": [
                {"name": "disk", "verdict": "unfit", "found": "full", "remedy": "rm"},
                {"name": "pids", "verdict": "unknown", "found": "cannot tell", "remedy": null},
            ],
        })
    );
}

#[test]
fn verdicts_are_ordered_by_severity() {
    let mut verdicts = [
        Verdict::Unfit,
        Verdict::Good,
        Verdict::Warning,
        Verdict::Unknown,
    ];
    verdicts.sort();
    assert_eq!(
        verdicts,
        [
            Verdict::Good,
            Verdict::Unknown,
            Verdict::Warning,
            Verdict::Unfit
        ]
    );
}
