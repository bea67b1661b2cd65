//! The check table for several hosts: each differs from a sound one in what its name says.

mod hosts;
mod network;
mod printed;
mod thresholds;

use super::*;
use crate::host::{Cgroups, Fact, HostError, Limit, Privileges};
use hosts::{ci, docker, fedora, podman, user};

/// The verdicts that are not `Good`.
fn complaints(host: &HostFacts, engine: &EngineFacts) -> Vec<(&'static str, Verdict)> {
    let checks = checks(host, engine).into_iter();
    checks
        .filter(|check| check.verdict != Verdict::Good)
        .map(|check| (check.name, check.verdict))
        .collect()
}

/// The one check of that name.
fn check(name: &str, host: &HostFacts, engine: &EngineFacts) -> Check {
    let mut named = checks(host, engine)
        .into_iter()
        .filter(|check| check.name == name);
    let check = named.next().expect("a check of that name");
    assert_eq!(named.next(), None, "one line a check");
    check
}

fn remedy(check: &Check) -> &str {
    check.remedy.as_deref().expect("a remedy")
}

#[test]
fn a_v1_host_without_sys_resource_is_fit_and_only_newer_bases_are_warned_of() {
    let (host, engine) = (ci(), podman());
    let complaints = complaints(&host, &engine);
    assert_eq!(complaints, [("cgroup version", Verdict::Warning)]);
    let version = check("cgroup version", &host, &engine);
    assert!(version.found.contains("Fedora 43"), "{}", version.found);
    assert!(version.found.contains("/sys/fs/cgroup/unified"));
    assert!(remedy(&version).starts_with("sed -i"), "root, no sudo");
    let privileges = check("privileges", &host, &engine);
    assert!(privileges.found.contains("no CAP_SYS_RESOURCE"));
    assert!(Report::new(checks(&host, &engine)).fit);
}

#[test]
fn a_fedora_laptop_with_roots_podman_is_all_good() {
    let engine = podman();
    assert_eq!(complaints(&fedora(), &engine), []);
    let privileges = check("privileges", &fedora(), &engine);
    assert!(privileges.found.contains("SELinux enforces"));
    assert!(!privileges.found.contains("CAP_SYS_RESOURCE"));
}

#[test]
fn no_engine_is_fit_if_the_lab_can_start_one() {
    let mut engine = EngineFacts {
        podman_installed: true,
        builds_bases: true,
        tried: vec![Tried {
            endpoint: "unix:///run/podman/podman.sock".to_owned(),
            why_not: "no such file".to_owned(),
        }],
        ..EngineFacts::default()
    };
    assert_eq!(
        complaints(&ci(), &engine),
        [("cgroup version", Verdict::Warning)]
    );
    let found = check("engine", &ci(), &engine).found;
    assert!(found.contains("unix:///run/podman/podman.sock (no such file)"));

    engine.podman_installed = false;
    let complaints = complaints(&fedora(), &engine);
    assert_eq!(
        complaints,
        [("engine", Verdict::Unfit), ("privileges", Verdict::Unknown)]
    );
    let debian = check("engine", &ci(), &engine);
    assert!(remedy(&debian).starts_with("apt-get update && apt-get install -y podman crun"));
    let fedora = check("engine", &fedora(), &engine);
    assert_eq!(remedy(&fedora), "sudo dnf install -y podman");
}

#[test]
fn a_docker_socket_that_refuses_is_mended_by_its_group() {
    let engine = EngineFacts {
        tried: vec![Tried {
            endpoint: "unix:///var/run/docker.sock".to_owned(),
            why_not: "Permission denied".to_owned(),
        }],
        ..EngineFacts::default()
    };
    let check = check("engine", &fedora(), &engine);
    assert!(remedy(&check).starts_with("sudo usermod -aG docker"));
}

#[test]
fn an_own_service_needs_cap_sys_admin() {
    let engine = EngineFacts {
        podman_installed: true,
        ..EngineFacts::default()
    };
    let mut host = ci();
    let own = host.privileges.as_mut().expect("privileges");
    own.effective.0 &= !(1 << 21);
    let check = check("privileges", &host, &engine);
    assert_eq!(check.verdict, Verdict::Unfit);
    assert!(check.found.contains("CAP_SYS_ADMIN"));
}

#[test]
fn rootless_docker_is_a_warning_on_v2_and_unfit_on_v1() {
    let mut engine = docker();
    engine.rootless = Some(true);
    let mut host = fedora();
    assert_eq!(
        complaints(&host, &engine),
        [("privileges", Verdict::Warning)]
    );
    let warning = check("privileges", &host, &engine);
    assert_eq!(
        remedy(&warning),
        "sudo dnf install -y podman && sudo systemctl enable --now podman.socket && \
         sudo env \"PATH=$PATH\" DOCKER_HOST=unix:///run/podman/podman.sock cargo lab doctor"
    );
    host.cgroups.as_mut().expect("cgroups").layout = Cgroups::V1;
    let unfit = check("privileges", &host, &engine);
    assert_eq!(unfit.verdict, Verdict::Unfit);
}

#[test]
fn a_user_who_starts_podman_is_rootless_and_needs_tun() {
    let engine = EngineFacts {
        podman_installed: true,
        builds_bases: true,
        ..EngineFacts::default()
    };
    let mut host = fedora();
    let expected = [("privileges", Verdict::Warning)];
    assert_eq!(complaints(&host, &engine), expected);
    host.tun_device = Ok(false);
    let tun = check("network modules", &host, &engine);
    assert_eq!(tun.verdict, Verdict::Unfit);
    assert_eq!(remedy(&tun), "sudo modprobe -a tun");
    let tun = check("network modules", &host, &podman());
    assert_eq!(tun.verdict, Verdict::Warning, "root's networks need none");
}

#[test]
fn an_engine_that_may_not_start_privileged_containers_is_unfit() {
    let mut engine = docker();
    engine.privileged = Some(false);
    let check_ = check("privileges", &fedora(), &engine);
    assert_eq!(check_.verdict, Verdict::Unfit);
    assert!(check_.found.starts_with("docker cannot"));
    engine.privileged = None;
    let check_ = check("privileges", &fedora(), &engine);
    assert_eq!(check_.verdict, Verdict::Unknown);
}

#[test]
fn an_engine_that_is_too_old_is_unfit() {
    let mut engine = docker();
    for (version, verdict) in [
        ("20.9.1", Verdict::Unfit),
        ("20.10.24", Verdict::Good),
        ("28.5.1", Verdict::Good),
        ("master", Verdict::Good),
    ] {
        engine.version = Some(version.to_owned());
        let check = check("engine", &fedora(), &engine);
        assert_eq!(check.verdict, verdict, "{version}");
    }
    let mut engine = podman();
    engine.version = Some("3.4.4".to_owned());
    let check = check("engine", &fedora(), &engine);
    assert!(check.found.ends_with("labs need 4.3 or newer"));
}

#[test]
fn no_memory_controller_is_unfit() {
    let mut host = fedora();
    host.cgroups.as_mut().expect("cgroups").memory_controller = false;
    let engine = podman();
    assert_eq!(
        complaints(&host, &engine),
        [("memory controller", Verdict::Unfit)]
    );
    assert_eq!(
        remedy(&check("memory controller", &host, &engine)),
        "sudo grubby --update-kernel=ALL --args=cgroup_enable=memory && sudo reboot"
    );
}

#[test]
fn no_cgroups_at_all_is_unfit_but_unreadable_ones_are_unknown() {
    let mut host = fedora();
    host.cgroups = Err(HostError::Absent {
        file: "/proc/self/mountinfo".into(),
        what: "cgroup file system",
    });
    let both = |verdict| [("cgroup version", verdict), ("memory controller", verdict)];
    assert_eq!(complaints(&host, &podman()), both(Verdict::Unfit));
    host.cgroups = Err(unreadable("/proc/self/mountinfo"));
    assert_eq!(complaints(&host, &podman()), both(Verdict::Unknown));
    let found = check("cgroup version", &host, &podman()).found;
    assert_eq!(
        found,
        "cannot read `/proc/self/mountinfo`: permission denied"
    );
}

fn unreadable(file: &str) -> HostError {
    HostError::Read {
        file: file.into(),
        source: std::io::ErrorKind::PermissionDenied.into(),
    }
}

#[test]
fn a_fact_that_is_not_known_never_makes_a_host_unfit() {
    fn lose<T>(fact: &mut Fact<T>) {
        *fact = Err(unreadable("/proc/x"));
    }
    let mut host = fedora();
    lose(&mut host.cgroups);
    lose(&mut host.privileges);
    lose(&mut host.limits);
    lose(&mut host.overlay);
    lose(&mut host.tun_device);
    lose(&mut host.inotify);
    lose(&mut host.pids);
    lose(&mut host.routes);
    lose(&mut host.disk);
    lose(&mut host.memory);
    lose(&mut host.cpus);
    lose(&mut host.modules);
    lose(&mut host.distro);
    lose(&mut host.boot_id);
    lose(&mut host.selinux);
    let report = Report::new(checks(&host, &podman()));
    assert!(report.fit);
    let unknown = report.checks.iter();
    let unknown = unknown.filter(|check| check.verdict == Verdict::Unknown);
    assert_eq!(unknown.count(), 10, "{report}");
}

#[test]
fn every_failure_has_a_remedy_on_every_host() {
    let user: Fact<Privileges> = Ok(user());
    let mut bare = ci();
    bare.privileges = user;
    bare.overlay.as_mut().expect("overlay").in_kernel = false;
    bare.limits.as_mut().expect("limits").open_files = Limit::At(1024);
    for host in [ci(), fedora(), bare] {
        for engine in [podman(), docker(), EngineFacts::default()] {
            for check in checks(&host, &engine) {
                let failed = matches!(check.verdict, Verdict::Warning | Verdict::Unfit);
                assert!(!failed || check.remedy.is_some(), "{check:?}");
            }
        }
    }
}
