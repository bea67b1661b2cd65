use super::*;

/// A CI machine without systemd: every v1 controller, and the v2 tree beside them.
const HYBRID: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard,resv_strict,resuid=65534,resgid=65534
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

const FEDORA: &str = "\
23 61 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
24 61 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:2 - sysfs sysfs rw,seclabel
28 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:5 - cgroup2 cgroup2 rw,seclabel,nsdelegate,memory_recursiveprot
61 1 0:33 /root / rw,relatime shared:1 - btrfs /dev/nvme0n1p3 rw,seclabel,compress=zstd:1,subvolid=257,subvol=/root
";

fn judge(mountinfo: &str, controllers: &str) -> Option<CgroupFacts> {
    CgroupFacts::judge(&parse_mounts(mountinfo).expect("parsed"), controllers)
}

fn without(mountinfo: &str, part: &str) -> String {
    let kept = mountinfo.lines().filter(|line| !line.contains(part));
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn v1_beside_v2_is_hybrid() {
    let facts = judge(HYBRID, "").expect("cgroups");
    let unified_mount = PathBuf::from("/sys/fs/cgroup/unified");
    assert_eq!(facts.layout, Cgroups::Hybrid { unified_mount });
    assert!(facts.memory_controller);
}

#[test]
fn v1_alone_is_v1_and_memory_is_a_mount() {
    let facts = judge(&without(HYBRID, "cgroup2"), "memory").expect("cgroups");
    assert_eq!(facts.layout, Cgroups::V1);
    assert!(facts.memory_controller);
    let facts = judge(&without(HYBRID, "rw,memory"), "memory").expect("cgroups");
    assert!(
        !facts.memory_controller,
        "v2 controllers do not count on v1"
    );
}

#[test]
fn v2_takes_its_controllers_from_the_root() {
    let facts = judge(FEDORA, "cpuset cpu io memory pids\n").expect("cgroups");
    let Cgroups::V2 { controllers } = &facts.layout else {
        panic!("{facts:?}");
    };
    assert_eq!(*controllers, ["cpuset", "cpu", "io", "memory", "pids"]);
    assert!(facts.memory_controller);
    let facts = judge(FEDORA, "cpu hugetlb_memory pids").expect("cgroups");
    assert!(!facts.memory_controller);
}

#[test]
fn a_v1_hierarchy_elsewhere_does_not_make_v2_hybrid() {
    let vpn = format!("{FEDORA}99 61 0:50 / /run/vpn rw - cgroup net_cls rw,net_cls\n");
    let facts = judge(&vpn, "memory").expect("cgroups");
    assert!(matches!(facts.layout, Cgroups::V2 { .. }));
}

#[test]
fn no_cgroup_mount_is_no_layout() {
    assert_eq!(judge(&without(FEDORA, "cgroup2"), ""), None);
}

#[test]
fn a_line_that_is_no_mount_is_an_error() {
    assert!(parse_mounts("31 23 0:28 / /sys rw").is_err());
}

#[test]
fn escaped_blanks_are_undone() {
    let line = "1 2 0:3 / /my\\040cgroups rw - cgroup2 none rw";
    let mounts = parse_mounts(line).expect("parsed");
    assert_eq!(mounts[0].mount_point, Path::new("/my cgroups"));
}

const OWN_HYBRID: &str = "9:name=systemd:/\n8:pids,cpu:/jobs/7\n4:memory:/m\n0::/v2:x\n";

#[test]
fn the_own_cgroup_is_that_of_the_controller() {
    let own = |controller| parse_own(OWN_HYBRID, controller).expect("a line");
    assert_eq!(own(Some("pids")), Path::new("/jobs/7"));
    assert_eq!(own(None), Path::new("/v2:x"));
    assert!(parse_own(OWN_HYBRID, Some("freezer")).is_err());
}

#[test]
fn parents_count_up_to_the_mount_point() {
    let mut mount = parse_mounts(FEDORA).expect("parsed").remove(0);
    assert_eq!(
        folders(&mount, Path::new("/a/b")),
        ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup/"].map(PathBuf::from)
    );
    // In a container with the host's cgroup namespace the mount shows a part of the tree only.
    mount.root = PathBuf::from("/docker/1");
    assert_eq!(
        folders(&mount, Path::new("/docker/1/x")),
        ["/sys/fs/cgroup/x", "/sys/fs/cgroup/"].map(PathBuf::from)
    );
    assert_eq!(
        folders(&mount, Path::new("/elsewhere")),
        [PathBuf::from("/sys/fs/cgroup/")]
    );
}
