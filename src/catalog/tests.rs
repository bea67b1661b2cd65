//! The catalog: what is built in, and what validation finds.

use super::*;

fn catalog(files: &[(&str, &str)]) -> Catalog {
    Catalog::from_files(
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned()))),
    )
}

#[test]
fn the_built_in_catalog_is_good() {
    let catalog = Catalog::load(Path::new("/nonexistent"));
    assert_eq!(catalog.problems(), []);
    assert!(catalog.get("filebrowser").is_ok());
    let Err(CatalogError::Unknown { nearest, .. }) = catalog.get("filebrowsr") else {
        panic!("unknown");
    };
    assert_eq!(nearest.as_deref(), Some("filebrowser"));
}

#[test]
fn dependencies_start_first_then_the_lower_tier_then_the_name() {
    let container = |name: &str, tier: u8, depends_on: &[&str]| -> ContainerManifest {
        toml::from_str(&format!(
            "name = \"{name}\"\nimage = \"localhost/x:1\"\ntier = {tier}\ndepends_on = {depends_on:?}"
        ))
        .expect("a manifest")
    };
    let containers = [
        container("a-ui", 3, &["root"]),
        container("b-ui", 3, &[]),
        container("lnd", 1, &["root", "elsewhere"]),
        container("root", 1, &[]),
        container("z-db", 0, &[]),
    ];
    assert_eq!(
        start_order(&containers),
        ["z-db", "root", "lnd", "a-ui", "b-ui"]
    );
    let cycle = [container("x", 1, &["y"]), container("y", 0, &["x"])];
    assert_eq!(start_order(&cycle), ["y", "x"]);
}

#[test]
fn every_rule_is_reported_at_once_with_file_and_key() {
    let bad = r#"
        id = "bad"
        title = "Bad"
        version = "1"
        [[containers]]
        name = "-x"
        image = "nginx"
        tier = 0
        depends_on = ["nosuch", "high"]
        restart = "always"
        memory = "12zz"
        ports = [{ host = 80, container = 80, bind = "lan" }, { host = 80, container = 81, bind = "lan" }]
        volumes = [{ name = "v", path = "data" }]
        env = { "1X" = "" }
        [[containers]]
        name = "high"
        image = "docker.io/library/nginx"
        tier = 3
        [[containers]]
        name = "a"
        image = "localhost/x:1"
        tier = 2
        depends_on = ["b"]
        [[containers]]
        name = "b"
        image = "localhost/x:1"
        tier = 2
        depends_on = ["a"]
    "#;
    let catalog = catalog(&[("bad.toml", bad), ("worse.toml", "id = 1")]);
    let text: Vec<String> = catalog.problems().iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    for part in [
        "worse.toml: `(file)`",
        "containers.-x.name",
        "names no registry; write `docker.io/library/nginx`",
        "no container `nosuch`",
        "`high` is of tier 3, above this one's 0",
        "without any pause",
        "`12zz` is no amount",
        "host port 80/tcp is taken by `-x`",
        "`data` is no absolute path",
        "`1X` is no name of a variable",
        "has neither tag nor digest",
        "in a cycle",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(matches!(catalog.get("bad"), Err(CatalogError::Bad { .. })));
}

/// One container of a package, with more lines.
fn one(id: &str, name: &str, more: &str) -> String {
    package(id, "", name, more)
}

fn package(id: &str, head: &str, name: &str, more: &str) -> String {
    format!(
        "id = \"{id}\"\ntitle = \"{id}\"\nversion = \"1\"\n{head}\n[[containers]]\nname = \"{name}\"\nimage = \"localhost/x:1\"\ntier = 2\n{more}\n"
    )
}

/// All problems of these packages, a line each.
fn problems(packages: &[(&str, String)]) -> String {
    let files: Vec<(String, &str)> = packages
        .iter()
        .map(|(id, text)| (format!("{id}.toml"), text.as_str()))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (&**file, *text)).collect();
    let catalog = catalog(&files);
    let lines: Vec<String> = catalog.problems().iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Whether exactly one problem is found, and that it says this.
fn only(packages: &[(&str, String)], part: &str) {
    let found = problems(packages);
    assert!(
        found.contains(part) && found.lines().count() == 1,
        "{part} is not all there is:\n{found}"
    );
}

#[test]
fn packages_that_exclude_each_other_may_share_names_ports_volumes_and_secrets() {
    let node = |id: &str, other: &str| {
        let more = "ports = [{ host = 1, container = 1, bind = \"lan\" }]\naliases = [\"rpc\"]\nvolumes = [{ name = \"chain\", path = \"/d\" }]\nsecrets = [{ name = \"pw\", env = \"PW\" }]";
        package(id, &format!("excludes = [\"{other}\"]"), "node", more)
    };
    let both = [
        ("core", node("core", "knots")),
        ("knots", node("knots", "core")),
    ];
    assert_eq!(problems(&both), "");
    let alone = [("core", node("core", "knots"))];
    only(&alone, "core.toml: `excludes`: no package `knots`");
    let one_sided = [
        both[0].clone(),
        ("knots", both[1].1.replace("excludes = [\"core\"]", "")),
    ];
    only(
        &one_sided,
        "knots.toml: `excludes`: core.toml excludes this package",
    );
    let strangers = both.map(|(id, text)| {
        (
            id,
            text.replace("excludes = [\"core\"]", "")
                .replace("excludes = [\"knots\"]", ""),
        )
    });
    let found = problems(&strangers);
    for part in [
        "knots.toml: `containers.node.name`: `node` is also a name in core.toml",
        "knots.toml: `containers.node.aliases`: `rpc` is also a name in core.toml",
        "knots.toml: `containers.node.ports`: host port 1/tcp is taken",
        "knots.toml: `containers.node.volumes`: `chain` is a volume of core.toml",
        "knots.toml: `secrets`: `pw` is a secret of core.toml as well",
    ] {
        assert!(found.contains(part), "{part} is missing in:\n{found}");
    }
}

#[test]
fn of_two_that_clash_the_machines_own_manifest_is_told() {
    let port = "ports = [{ host = 1, container = 1, bind = \"lan\" }]";
    let catalog = catalog(&[
        ("built-in/zoo.toml", &one("zoo", "zoo", port)),
        ("/etc/archipelago/apps/ant.toml", &one("ant", "ant", port)),
    ]);
    assert!(catalog.get("zoo").is_ok());
    assert!(matches!(catalog.get("ant"), Err(CatalogError::Bad { .. })));
}

#[test]
fn ports_of_another_protocol_do_not_clash_and_of_another_address_do() {
    let of = |bind: &str, protocol: &str| {
        format!(
            "ports = [{{ host = 1, container = 1, bind = \"{bind}\", protocol = \"{protocol}\" }}]"
        )
    };
    let beside = |other: String| {
        problems(&[
            ("a", one("a", "a", &of("lan", "tcp"))),
            ("b", one("b", "b", &other)),
        ])
    };
    assert_eq!(beside(of("lan", "udp")), "");
    assert!(beside(of("loopback", "tcp")).contains("host port 1/tcp is taken by `a` of a.toml"));
}

#[test]
fn anothers_volume_may_be_read_by_who_needs_it() {
    let owner = (
        "owner",
        one("owner", "db", "volumes = [{ name = \"v\", path = \"/v\" }]"),
    );
    let reader = |more: &str| ("reader", one("reader", "web", more));
    let mounted = "volumes = [{ name = \"v\", path = \"/v\", read_only = true }]";
    let needing = format!("{mounted}\ndepends_on = [\"db\"]");
    assert_eq!(problems(&[owner.clone(), reader(&needing)]), "");
    only(
        &[owner, reader(mounted)],
        "reader.toml: `containers.web.volumes`: `v` is a volume of owner.toml",
    );
}

#[test]
fn alternatives_and_optional_dependencies_are_checked_as_others_are() {
    let app = |more: &str| ("app", one("app", "app", more));
    let others = || {
        [
            ("x", one("x", "x", "")),
            ("y", one("y", "y", "")),
            ("ui", one("ui", "ui", "").replace("tier = 2", "tier = 3")),
        ]
    };
    let with = |more: &str| {
        let [x, y, ui] = others();
        problems(&[app(more), x, y, ui])
    };
    assert_eq!(
        with("depends_on_any = [[\"x\", \"y\"]]\ndepends_on_optional = [\"y\"]"),
        ""
    );
    for (more, part) in [
        (
            "depends_on_any = [[\"x\", \"z\"]]",
            "`containers.app.depends_on_any`: no container `z`",
        ),
        ("depends_on_any = [[\"x\"]]", "at least two names"),
        (
            "depends_on_optional = [\"xx\"]",
            "no container `xx` in the catalog; did you mean `x`?",
        ),
        (
            "depends_on_optional = [\"ui\"]",
            "`ui` is of tier 3, above this one's 2",
        ),
        ("depends_on_any = [[\"x\", \"app\"]]", "in a cycle"),
    ] {
        let found = with(more);
        assert!(found.contains(part), "{part} is missing in:\n{found}");
    }
}

#[test]
fn secrets_are_checked_for_what_they_refer_to_and_where_they_go() {
    let secret = |line: &str| format!("secrets = [{{ {line} }}]");
    for (head, line, part) in [
        ("", "name = \"pw\"", "`pw` has neither `env` nor `file`"),
        (
            "",
            "name = \"pw\", file = \"etc/pw\"",
            "`etc/pw` is no absolute path",
        ),
        (
            "",
            "name = \"pw\", env = \"PW\", mode = 0o400",
            "are for a `file`",
        ),
        (
            "",
            "name = \"pw\", file = \"/pw\", mode = 0o4755",
            "at most 0o777",
        ),
        (
            "",
            "name = \"rpc-token\", env = \"T\"",
            "is the daemon's own",
        ),
        (
            "",
            "name = \"t\", env = \"T\", template = \"${secret:pw}\"",
            "refers to `pw`, which is neither in",
        ),
        (
            "secrets = [\"pww\"]",
            "name = \"t\", env = \"T\", template = \"${secret:pw}\"",
            "did you mean `pww`?",
        ),
        (
            "",
            "name = \"t\", env = \"T\", template = \"${HOME}\"",
            "`${HOME}` is none of",
        ),
        (
            "shared_secrets = [\"pw\"]",
            "name = \"pw\", env = \"T\"",
            "no package whose containers this one depends on has the secret `pw`",
        ),
    ] {
        only(&[("app", package("app", head, "app", &secret(line)))], part);
    }
    let good = secret("name = \"t\", file = \"/t\", mode = 0o440, template = \"${secret:pw} $1\"");
    assert_eq!(
        problems(&[("app", package("app", "secrets = [\"pw\"]", "app", &good))]),
        ""
    );
    let in_env = "env = { URL = \"http://${secret:pw}@x\" }";
    only(
        &[("app", package("app", "secrets = [\"pw\"]", "app", in_env))],
        "replaced in templates only",
    );
}

#[test]
fn a_shared_secret_is_had_from_whichever_package_provides_the_need() {
    let node = |id: &str, other: &str, secret: &str| {
        let head = format!("excludes = [\"{other}\"]\nsecrets = [\"{secret}\"]");
        (id.to_owned(), package(id, &head, "node", ""))
    };
    let user = package(
        "user",
        "shared_secrets = [\"pw\"]",
        "user",
        "depends_on = [\"node\"]\nsecrets = [{ name = \"pw\", env = \"PW\" }]",
    );
    let with = |secret: &str| {
        let (a, b) = (node("core", "knots", "pw"), node("knots", "core", secret));
        problems(&[("core", a.1), ("knots", b.1), ("user", user.clone())])
    };
    assert_eq!(with("pw"), "");
    assert!(with("other").contains("user.toml: `shared_secrets`: no package whose"));
}

#[test]
fn hooks_are_of_containers_of_the_package() {
    let hook = |container: &str, rest: &str| {
        let text = one("app", "app", "");
        [(
            "app",
            format!("{text}\n[[hooks.post_install]]\ncontainer = \"{container}\"\n{rest}"),
        )]
    };
    assert_eq!(
        problems(&hook("app", "command = [\"true\"]\nattempts = 3")),
        ""
    );
    only(
        &hook("ap", "command = [\"true\"]"),
        "no container `ap` in this package; did you mean `app`?",
    );
    only(
        &hook("app", "command = []"),
        "`hooks.post_install.command`: must not be empty",
    );
    only(
        &hook("app", "command = [\"true\"]\nattempts = 0"),
        "`attempts` must be at least 1",
    );
}

#[test]
fn a_package_without_an_image_is_shown_and_says_why_it_cannot_be_installed() {
    let catalog = Catalog::load(Path::new("/nonexistent"));
    let why = |id: &str| catalog.get(id).expect("it is shown").not_installable();
    assert_eq!(why("lnd"), None);
    assert_eq!(
        why("indeedhub"),
        Some(NotInstallable::NoImage {
            containers: ["indeedhub-minio", "indeedhub-api", "indeedhub"]
                .map(str::to_owned)
                .to_vec(),
        })
    );
    let text = why("indeedhub")
        .map(|why| why.to_string())
        .unwrap_or_default();
    assert!(
        text.contains("`indeedhub-minio`, `indeedhub-api`, `indeedhub`"),
        "{text}"
    );
}

#[test]
fn remote_images_have_a_version() {
    let image = |image: &str| [("app", one("app", "app", "").replace("localhost/x:1", image))];
    only(&image("docker.io/x/y:latest"), "another image tomorrow");
    assert_eq!(problems(&image("localhost:5000/x:latest")), "");
    assert_eq!(problems(&image("docker.io/x/y@sha256:0")), "");
}

/// The design's numbers, as the built-in manifests have them.
#[test]
fn graces_and_ports_of_the_built_in_packages_are_the_designs() {
    let catalog = Catalog::load(Path::new("/nonexistent"));
    let grace = |name: &str| {
        let mut containers = catalog
            .manifests()
            .flat_map(|manifest| &manifest.containers);
        containers
            .find(|container| container.name == name)
            .map(|container| container.stop_grace().as_secs())
    };
    for (name, secs) in [
        ("bitcoind", 600),
        ("lnd", 330),
        ("electrs", 300),
        ("mempool-db", 120),
        ("btcpay-db", 120),
    ] {
        assert_eq!(grace(name), Some(secs), "{name}");
    }
    let of = |id: &str, host: u16| {
        let manifest = catalog.get(id).expect("a package");
        let mut ports = manifest
            .containers
            .iter()
            .flat_map(|container| &container.ports);
        ports.any(|port| port.host == host)
    };
    assert!(
        of("strfry", 7777)
            && of("indeedhub", 8190)
            && of("bitcoin-core", 8333)
            && of("bitcoin-knots", 8333)
    );
}

#[test]
fn a_record_of_the_first_release_still_loads() {
    let old = r#"{
        "id": "echo", "title": "Echo", "version": "1",
        "containers": [{
            "name": "echo", "image": "localhost/x:1", "command": [], "tier": 2, "depends_on": [],
            "ports": [{ "host": 80, "container": 80, "bind": "lan", "protocol": "tcp" }],
            "volumes": [{ "name": "v", "path": "/v", "read_only": false }],
            "env": {}, "secrets": [{ "name": "pw", "env": "PW" }],
            "memory": null, "user": null, "restart": "on-failure:3", "stop_grace_secs": null,
            "one_shot": false, "init": false, "health": null
        }]
    }"#;
    let manifest: Manifest = serde_json::from_str(old).expect("it loads");
    assert_eq!(
        manifest.containers[0].image.as_deref(),
        Some("localhost/x:1")
    );
    let again = serde_json::to_value(&manifest).expect("JSON");
    let old: serde_json::Value = serde_json::from_str(old).expect("JSON");
    assert_eq!(again, old, "nothing is added that was not said");
}

#[test]
fn each_rule_for_one_manifest_is_told_by_itself() {
    let port = |host: u16, container: u16| {
        format!("ports = [{{ host = {host}, container = {container}, bind = \"lan\" }}]")
    };
    let (no_host_port, no_port) = (port(0, 1), port(1, 0));
    let twice = "secrets = [{ name = \"a\", env = \"A\" }, { name = \"a\", env = \"B\" }]";
    let variable_twice = "secrets = [{ name = \"a\", env = \"A\" }, { name = \"b\", env = \"A\" }]";
    let in_env = "env = { A = \"x\" }\nsecrets = [{ name = \"a\", env = \"A\" }]";
    let mounted_twice =
        "volumes = [{ name = \"v\", path = \"/d\" }, { name = \"w\", path = \"/d\" }]";
    for (more, part) in [
        (&*no_host_port, "a port must not be 0"),
        (&*no_port, "a port must not be 0"),
        ("aliases = [\"-x\"]", "`containers.app.aliases`: \"-x\""),
        ("stop_signal = \"INT\"", "is no signal such as `SIGINT`"),
        ("stop_grace_secs = 86401", "must be at most 86400"),
        ("shm_size = \"1x\"", "`containers.app.shm_size`: `1x`"),
        (
            "volumes = [{ name = \"V\", path = \"/d\" }]",
            "`containers.app.volumes`: \"V\"",
        ),
        (mounted_twice, "`/d` is mounted twice"),
        (
            "health = { command = [] }",
            "`containers.app.health.command`",
        ),
        (
            "health = { command = [\"x\"], interval_secs = 0 }",
            "must be at least 1",
        ),
        (
            "health = { command = [\"x\"], timeout_secs = 0 }",
            "must be at least 1",
        ),
        (
            "health = { command = [\"x\"], retries = 0 }",
            "must be at least 1",
        ),
        (twice, "`a` is there twice"),
        (variable_twice, "the variable `A` is there twice"),
        (in_env, "`A` is in `env` as well"),
        (
            "secrets = [{ name = \"a\", env = \"1A\" }]",
            "`1A` is no name of a variable",
        ),
    ] {
        only(&[("app", one("app", "app", more))], part);
    }
    for (head, part) in [
        ("excludes = [\"app\"]", "a package cannot exclude itself"),
        ("secrets = [\"-x\"]", "`secrets`: \"-x\""),
    ] {
        only(&[("app", package("app", head, "app", ""))], part);
    }
    let both = "secrets = [\"pw\"]\nshared_secrets = [\"pw\"]";
    let found = problems(&[("app", package("app", both, "app", ""))]);
    assert!(found.contains("`pw` is in `secrets` as well"), "{found}");
    only(
        &[("other", one("app", "app", ""))],
        "differs from the file's name",
    );
    let empty = "id = \"app\"\ntitle = \"app\"\nversion = \"1\"\ncontainers = []\n".to_owned();
    only(&[("app", empty)], "at least one container");
    let hook = "[[hooks.post_install]]\ncontainer = \"app\"\ncommand = [\"true\"]\n";
    for secs in ["0", "86401"] {
        let text = format!("{}\n{hook}timeout_secs = {secs}", one("app", "app", ""));
        only(&[("app", text)], "`timeout_secs` between 1 and 86400");
    }
}
