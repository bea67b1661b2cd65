//! Where an amount turns from good to a warning to unfit.

use super::*;
use crate::host::Presence;

/// The verdict of one check on a sound host with one fact changed.
fn verdict(name: &str, change: impl FnOnce(&mut HostFacts)) -> Verdict {
    let mut host = fedora();
    change(&mut host);
    check(name, &host, &podman()).verdict
}

const GOOD_WARNING_UNFIT: [Verdict; 3] = [Verdict::Good, Verdict::Warning, Verdict::Unfit];

#[test]
fn a_full_disk_is_unfit() {
    let bytes = |bytes| {
        verdict("disk", |host| {
            host.disk.as_mut().expect("disk").free_bytes = bytes;
        })
    };
    assert_eq!(
        [8 << 30, (8 << 30) - 1, (2 << 30) - 1].map(bytes),
        GOOD_WARNING_UNFIT
    );
    let inodes = |inodes| {
        verdict("disk", |host| {
            host.disk.as_mut().expect("disk").free_inodes = inodes;
        })
    };
    assert_eq!(
        [Some(200_000), Some(199_999), Some(49_999)].map(inodes),
        GOOD_WARNING_UNFIT
    );
    assert_eq!(inodes(None), Verdict::Good, "btrfs has no fixed number");
}

#[test]
fn the_disk_is_mended_by_the_engine_that_fills_it() {
    let mut host = fedora();
    host.disk.as_mut().expect("disk").free_bytes = 5;
    let mend = |engine| check("disk", &host, &engine).remedy;
    assert_eq!(
        mend(podman()).as_deref(),
        Some("sudo podman image prune -f")
    );
    let rootless = EngineFacts {
        rootless: Some(true),
        ..docker()
    };
    assert_eq!(mend(rootless).as_deref(), Some("docker image prune -f"));
}

#[test]
fn swap_counts_as_memory() {
    let memory = |(available_bytes, swap_free_bytes)| {
        verdict("memory", |host| {
            let memory = host.memory.as_mut().expect("memory");
            memory.available_bytes = available_bytes;
            memory.swap_free_bytes = swap_free_bytes;
        })
    };
    assert_eq!(
        [(3 << 30, 0), ((3 << 30) - 1, 0), ((1 << 30) - 1, 0)].map(memory),
        GOOD_WARNING_UNFIT
    );
    assert_eq!(memory((1 << 20, 4 << 30)), Verdict::Good);
}

#[test]
fn tiny_inotify_is_unfit() {
    let instances = |instances| {
        verdict("inotify", |host| {
            host.inotify.as_mut().expect("inotify").instances = instances;
        })
    };
    assert_eq!([128, 127, 31].map(instances), GOOD_WARNING_UNFIT);
    let watches = |watches| {
        verdict("inotify", |host| {
            host.inotify.as_mut().expect("inotify").watches = watches;
        })
    };
    assert_eq!([8192, 8191, 1023].map(watches), GOOD_WARNING_UNFIT);
}

#[test]
fn the_inotify_remedy_never_lowers_anything() {
    let mut host = ci();
    host.inotify.as_mut().expect("inotify").instances = 8;
    assert_eq!(
        remedy(&check("inotify", &host, &podman())),
        "printf '%s\\n' 'fs.inotify.max_user_instances = 512' 'fs.inotify.max_user_watches = 192536' \
         | tee /etc/sysctl.d/90-lab-fs.conf && sysctl -p /etc/sysctl.d/90-lab-fs.conf"
    );
    let inotify = host.inotify.as_mut().expect("inotify");
    (inotify.instances, inotify.watches) = (1024, 8);
    let mend = check("inotify", &host, &podman());
    assert!(remedy(&mend).contains("'fs.inotify.max_user_instances = 1024'"));
    assert!(remedy(&mend).contains("'fs.inotify.max_user_watches = 65536'"));
}

#[test]
fn processes_are_bounded_by_the_kernel_and_by_our_cgroup() {
    let kernel = |kernel| {
        verdict("pids", |host| {
            host.pids.as_mut().expect("pids").kernel = kernel;
        })
    };
    assert_eq!([16_384, 16_383, 4095].map(kernel), GOOD_WARNING_UNFIT);
    let file = "/sys/fs/cgroup/user.slice/pids.max";
    let bound = |own| {
        let mut host = fedora();
        let pids = host.pids.as_mut().expect("pids");
        pids.own = Limit::At(own);
        pids.bounded_by = Some(file.into());
        check("pids", &host, &podman())
    };
    assert_eq!(
        [2048, 2047, 511].map(|own| bound(own).verdict),
        GOOD_WARNING_UNFIT
    );
    let mend = format!("echo max | sudo tee {file}");
    assert_eq!(remedy(&bound(100)), mend);
}

#[test]
fn low_hard_limits_matter_only_where_they_cannot_be_raised() {
    let own_service = EngineFacts {
        podman_installed: true,
        ..EngineFacts::default()
    };
    let mut host = ci();
    host.limits.as_mut().expect("limits").open_files = Limit::At(19_999);
    let unfit = check("limits", &host, &own_service);
    assert_eq!(unfit.verdict, Verdict::Unfit);
    assert!(remedy(&unfit).contains("--ulimit nofile=20000:20000"));
    assert_eq!(
        check("limits", &host, &podman()).verdict,
        Verdict::Warning,
        "an engine that runs already has its own limits"
    );
    host.privileges = Ok(user());
    let login = check("limits", &host, &own_service);
    assert!(remedy(&login).contains("sudo tee /etc/security/limits.d"));
    host.privileges.as_mut().expect("privileges").effective.0 = 1 << 24;
    assert_eq!(check("limits", &host, &own_service).verdict, Verdict::Good);

    let mut host = ci();
    host.limits.as_mut().expect("limits").processes = Limit::At(32_767);
    assert_eq!(check("limits", &host, &own_service).verdict, Verdict::Unfit);
}

#[test]
fn overlay_is_in_the_kernel_or_loadable_or_replaced_by_fuse() {
    let overlay = |in_kernel, module, fuse| {
        verdict("overlay", |host| {
            let overlay = host.overlay.as_mut().expect("overlay");
            (overlay.in_kernel, overlay.fuse_device) = (in_kernel, fuse);
            host.modules.as_mut().expect("modules").overlay = module;
        })
    };
    assert_eq!(overlay(true, Presence::Unknown, false), Verdict::Good);
    assert_eq!(overlay(false, Presence::Loadable, false), Verdict::Good);
    assert_eq!(overlay(false, Presence::Unknown, true), Verdict::Warning);
    assert_eq!(overlay(false, Presence::Missing, false), Verdict::Unfit);
    let mut engine = podman();
    engine.storage_driver = Some("vfs".to_owned());
    let vfs = check("overlay", &fedora(), &engine);
    assert_eq!(vfs.verdict, Verdict::Warning);
}

#[test]
fn without_mmdebstrap_bases_come_from_a_registry() {
    let engine = EngineFacts {
        builds_bases: false,
        ..podman()
    };
    let mut host = fedora();
    let fedora = check("base maker", &host, &engine);
    assert_eq!(fedora.verdict, Verdict::Warning);
    assert_eq!(remedy(&fedora), "sudo dnf install -y mmdebstrap");
    host.distro = Ok(crate::host::Distro::parse("ID=arch"));
    let arch = check("base maker", &host, &engine);
    assert_eq!(remedy(&arch), "cargo lab image build --base fedora");
}
