//! What a command costs on the mock: in this process, and through `mock-podman`.
//!
//! Aims: 20,000 commands a second in process, 200 through the program. The line `true` is the start of a process that does
//! nothing, in the same run.

use std::process::{Command, Stdio};

use archipelago::container::mock_podman::{FIXTURE_IMAGE, MockPodman};
use archipelago::container::runtime::CommandExecutor;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A life of a container, as command lines.
const LIFE: [&[&str]; 8] = [
    &["create", "--name", "a", FIXTURE_IMAGE, "serve", "80"],
    &["start", "a"],
    &["ps", "-a", "--format", "json"],
    &["inspect", "a"],
    &["exec", "a", "/fixture", "check"],
    &["container", "exists", "a"],
    &["kill", "a"],
    &["rm", "a"],
];

fn in_process(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("mock");
    group.throughput(Throughput::Elements(LIFE.len() as u64));
    group.bench_function("in process", |bencher| {
        bencher.iter_batched(
            || runtime.block_on(async { MockPodman::new() }),
            |mock| {
                runtime.block_on(async {
                    for line in LIFE {
                        let output = mock.execute("podman", line).await.expect("it is known");
                        assert_eq!(output.code, 0, "{line:?}");
                    }
                });
            },
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn through_the_program(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mock");
    let folder = tempfile::tempdir().expect("a folder");
    let run = |line: &[&str]| {
        let status = Command::new(env!("CARGO_BIN_EXE_mock-podman"))
            .args(line)
            .env("MOCK_PODMAN_DIR", folder.path())
            .stdout(Stdio::null())
            .status()
            .expect("it starts");
        assert!(status.success(), "{line:?}");
    };
    group.throughput(Throughput::Elements(LIFE.len() as u64));
    group.bench_function("through the program", |bencher| {
        bencher.iter(|| LIFE.iter().for_each(|line| run(line)));
    });
    group.throughput(Throughput::Elements(1));
    run(&["mock", "add-containers", "10000"]);
    group.sample_size(10);
    group.bench_function("through the program, of 10,000 containers one", |bencher| {
        bencher.iter(|| run(&["container", "exists", "bulk-1"]));
    });
    group.bench_function("true", |bencher| {
        bencher.iter(|| Command::new("/bin/true").status().expect("it starts"));
    });
    group.finish();
}

criterion_group!(benches, in_process, through_the_program);
criterion_main!(benches);
