//! Bytes to values: podman's answers about 200 containers, as they come from [`MockPodman`]; the built-in catalog.

use std::hint::black_box;
use std::path::Path;

use archipelago::catalog::Catalog;
use archipelago::container::mock_podman::{FIXTURE_IMAGE, MockPodman};
use archipelago::container::podman::PodmanVersion;
use archipelago::container::runtime::CommandExecutor;
use archipelago::container::status::{parse_inspect, parse_ps};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const CONTAINERS: u64 = 200;

/// What podman prints of a machine with so many containers: `ps`, then `inspect`.
fn answers() -> (Vec<u8>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Nobody waits for a start.
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let podman = MockPodman::new();
        let run = async |args: &[&str]| {
            let output = podman.execute("podman", args).await.expect("podman runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.code, 0, "podman {args:?}: {said}");
            output.stdout
        };
        let names: Vec<String> = (0..CONTAINERS).map(|n| format!("container-{n}")).collect();
        for name in &names {
            let label = format!("io.archipelago.package={name}");
            let create = ["create", "--name", name, "--label", &label];
            run(&[&create[..], &[FIXTURE_IMAGE, "serve", "8080"]].concat()).await;
            run(&["start", name]).await;
        }
        let ps = run(&["ps", "--all", "--format", "json"]).await;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let inspect = run(&[&["container", "inspect"], &names[..]].concat()).await;
        (ps, inspect)
    })
}

fn podman(criterion: &mut Criterion) {
    let (ps, inspect) = answers();
    let version = PodmanVersion::new(5, 4, 2);
    let found = parse_inspect(&inspect, version).expect("readable");
    assert_eq!(found.len() as u64, CONTAINERS);
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(CONTAINERS));
    group.bench_function("ps of 200", |b| b.iter(|| parse_ps(black_box(&ps))));
    group.bench_function("inspect of 200", |b| {
        b.iter(|| parse_inspect(black_box(&inspect), version));
    });
    group.finish();
}

fn catalog(criterion: &mut Criterion) {
    let nowhere = Path::new("/nonexistent");
    let packages = Catalog::load(nowhere).manifests().count();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(packages as u64));
    group.bench_function("the catalog, and its validation", |b| {
        b.iter(|| Catalog::load(black_box(nowhere)));
    });
    group.finish();
}

criterion_group!(benches, podman, catalog);
criterion_main!(benches);
