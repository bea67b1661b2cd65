use super::*;

fn line(version: &str, args: &[&str]) -> Result<String, String> {
    let version = version.parse().expect("a version");
    match read(version, args) {
        Ok(Line::Version) => Ok("version".to_owned()),
        Ok(Line::Command(words)) => Ok(words.join(" ")),
        Err(Refused::ByPodman(reply)) => Err(format!("{}: {}", reply.code, reply.stderr)),
        Err(Refused::NotImplemented(text)) => Err(text),
        Err(other) => Err(format!("{other:?}")),
    }
}

#[test]
fn all_spellings_come_to_one() {
    for (args, expected) in [
        ("--root X ps -aq", "ps --all=true --quiet=true --"),
        ("--log-level=debug --root=X ps", "ps --"),
        ("ps --log-level error -a=false", "ps --all=false --"),
        (
            "container ls --filter name=a,b",
            "container list --filter=name=a,b --",
        ),
        ("stop a -t5", "stop --time=5 -- a"),
        ("stop -t=5 a", "stop --time=5 -- a"),
        ("stop -it 0x10 a b", "stop --ignore=true --time=16 -- a b"),
        ("stop --timeout 5 a", "stop --time=5 -- a"),
        (
            "run -d --net n --name a i -t 5",
            "run --detach=true --network=n --name=a -- i -t 5",
        ),
        ("exec a -- ls", "exec -- a -- ls"),
        ("exec -- a ls", "exec -- a ls"),
        (
            "rm -fv -f -- -x",
            "rm --force=true --volumes=true --force=true -- -x",
        ),
        ("volume --log-level=error list", "volume ls --"),
        ("pull -q --tls-verify=false r/x", "pull --quiet=true -- r/x"),
        ("--version", "version"),
        ("-v", "version"),
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        assert_eq!(line("5.4.2", &args).as_deref(), Ok(expected), "{args:?}");
    }
    assert_eq!(
        line("4.3.1", &["ps", "--filter", "name=a,status=exited"]).as_deref(),
        Ok("ps --filter=name=a --filter=status=exited --"),
        "podman 4.3 splits at commas"
    );
    assert_eq!(
        line("5.4.2", &["stop", "", "ä b"]).as_deref(),
        Ok("stop --  ä b")
    );
}

#[test]
fn what_podman_refuses_is_refused_in_its_words() {
    for (args, expected) in [
        (
            "bogus",
            "unrecognized command `podman bogus`\n\nDid you mean this?\n\tlogs\n\nTry 'podman --help' for more information",
        ),
        (
            "volume bogus",
            "unrecognized command `podman volume bogus`\nTry 'podman volume --help' for more information",
        ),
        (
            "volume l",
            "unrecognized command `podman volume l`\n\nDid you mean this?\n\tls\n\nTry 'podman volume --help' for more information",
        ),
        (
            "imag",
            "unrecognized command `podman imag`\n\nDid you mean this?\n\timage\n\timages\n\ttag\n\nTry 'podman --help' for more information",
        ),
        ("--bogus ps", "unknown flag: --bogus\nSee 'podman --help'"),
        ("--bogus=1 ps", "unknown flag: --bogus"),
        (
            "ps --bogus=1",
            "unknown flag: --bogus\nSee 'podman ps --help'",
        ),
        (
            "image ls --bogus",
            "unknown flag: --bogus\nSee 'podman image list --help'",
        ),
        (
            "ps -axq",
            "unknown shorthand flag: 'x' in -xq\nSee 'podman ps --help'",
        ),
        (
            "ps --format",
            "flag needs an argument: --format\nSee 'podman ps --help'",
        ),
        (
            "rm -f -t",
            "flag needs an argument: 't' in -t\nSee 'podman rm --help'",
        ),
        ("ps ---x", "bad flag syntax: ---x\nSee 'podman ps --help'"),
        (
            "ps --all=maybe",
            "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax\nSee 'podman ps --help'",
        ),
        (
            "logs --tail abc x",
            "invalid argument \"abc\" for \"--tail\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax\nSee 'podman logs --help'",
        ),
        (
            "ps -n 99999999999999999999",
            "invalid argument \"99999999999999999999\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"99999999999999999999\": value out of range\nSee 'podman ps --help'",
        ),
        ("ps extra", "`podman ps` takes no arguments"),
        ("run", "requires at least 1 arg(s), only received 0"),
        ("secret create a", "accepts 2 arg(s), received 1"),
        ("volume create a b", "accepts at most 1 arg(s), received 2"),
        ("stop", "you must provide at least one name or id"),
        ("stop -a x", "no arguments are needed with --all"),
        (
            "version --version",
            "unknown flag: --version\nSee 'podman version --help'",
        ),
    ] {
        let words: Vec<&str> = args.split(' ').collect();
        assert_eq!(
            line("5.4.2", &words),
            Err(format!("125: Error: {expected}\n")),
            "{args}"
        );
    }
    assert_eq!(
        line("5.4.2", &["--log-level", "ps"]),
        Err("1: Log Level \"ps\" is not supported, choose from: trace, debug, info, warn, warning, error, fatal, panic\n".to_owned())
    );
    let of_4 = line("4.3.1", &["stop", "-t", "-1", "x"]).expect_err("no unsigned number");
    assert!(
        of_4.contains("strconv.ParseUint: parsing \"-1\": invalid syntax"),
        "{of_4}"
    );
    let of_4 = line("4.3.1", &["secret", "exists", "x"]).expect_err("4.3 has none");
    assert!(
        of_4.contains("unrecognized command `podman secret exists`"),
        "{of_4}"
    );
}

#[test]
fn what_needs_another_podman_is_not_done_silently() {
    for args in [
        &["--remote", "ps"][..],
        &["--url", "x", "ps"],
        &["ps", "--help"],
        &["volume"],
    ] {
        let text = line("5.4.2", args).expect_err("not implemented");
        assert!(
            text.starts_with("mock_podman does not implement"),
            "{args:?}: {text}"
        );
    }
}
