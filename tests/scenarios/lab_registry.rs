//! A container registry in a lab, for scenarios that pull.

use archipelago_lab::lab::{LabBuilder, registry_program};

/// What the registry in a lab holds: the fixture image and a layer that takes a moment to come.
pub(crate) const IMAGE: &str = "localhost:5000/app:1";
/// The registry's own configuration, and that podman is to speak to it without TLS.
const FILES: [(&str, &str); 2] = [
    (
        "/etc/registry.yml",
        "version: 0.1\nstorage: { filesystem: { rootdirectory: /var/lib/registry } }\nhttp: { addr: 'localhost:5000' }\n",
    ),
    (
        "/etc/containers/registries.conf.d/registry.conf",
        "[[registry]]\nlocation = \"localhost:5000\"\ninsecure = true\n",
    ),
];
/// Starts it and fills it. podman itself tries again until the registry listens.
pub(crate) const FILL: &str = r#"
systemd-run --quiet --unit=registry /usr/local/bin/registry serve /etc/registry.yml
head --bytes=50000000 /dev/urandom > /run/layer
podman create --quiet --name seed localhost/archipelago-fixture:latest
podman cp /run/layer seed:/layer
podman commit --quiet seed "$1"
podman push --quiet "$1"
podman rm seed
podman rmi "$1"
rm /run/layer
# podman tells every second how far it is: the pull is to take some.
systemctl set-property --runtime registry CPUQuota=1%
"#;

/// A lab that has one, not started.
pub(crate) fn bring(lab: LabBuilder) -> LabBuilder {
    let lab = match registry_program() {
        Some(program) => lab.program(program, "/usr/local/bin/registry"),
        None => lab,
    };
    FILES
        .into_iter()
        .fold(lab, |lab, (path, text)| lab.file(path, text))
}
