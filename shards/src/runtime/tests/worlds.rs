//! What only simulated worlds do: crashes, faults, partitions, and being repeatable.

use crate::runtime::{
    Buffer, CoreSpec, File, Lane, Listener, Open, Stream, fs, launch, now, random,
    sim::{CrashKind, World},
    sleep, spawn, timeout, uptime,
};
use std::{
    cell::Cell, collections::BTreeSet, future::pending, io::ErrorKind, net::SocketAddr, path::Path, rc::Rc, time::Duration,
};

const MS: Duration = Duration::from_millis(1);
const PATH: &str = "/store/log";

fn filled(len: usize, byte: u8) -> Rc<Buffer> {
    let mut buffer = Buffer::new(len);
    buffer.as_mut_slice().fill(byte);
    Rc::new(buffer)
}

/// A file with a durable name and `len` durable zeroes.
async fn create(len: u64) -> File {
    fs::create_dir_all(Path::new("/store")).unwrap();
    fs::sync_dir(Path::new("/")).await.unwrap();
    let file = File::open(Path::new(PATH), Open::CreateNew).await.unwrap();
    fs::sync_dir(Path::new("/store")).await.unwrap();
    file.allocate(len).await.unwrap();
    file.sync().await.unwrap();
    file
}

/// The first byte of each sector of the file on the disk.
fn sectors(world: &World, machine: crate::runtime::sim::MachineId) -> Vec<u8> {
    world.disk_bytes(machine, Path::new(PATH)).unwrap().iter().step_by(512).copied().collect()
}

/// A small busy process: several tasks write, sync, sleep and talk.
fn busy(seed: u64) -> (u64, u64, Vec<String>) {
    let world = World::new(seed);
    world.keep_trace();
    let machine = world.machine("m");
    let address = SocketAddr::new(world.address(machine), 10911);
    let process = world.spawn_process(machine, "busy", || {
        for core in 0..2 {
            let spec = CoreSpec { name: format!("core {core}"), cpu: None, io_memory: 0, spin: Duration::ZERO };
            let run = move || async move {
                let listener = Listener::bind(address, true).unwrap();
                spawn(Lane::Network, async move {
                    loop {
                        let stream = listener.accept().await.unwrap();
                        stream.write_all(&random().to_be_bytes()).await.ok();
                    }
                });
                if core == 0 {
                    let file = create(1 << 20).await;
                    for number in 0..50 {
                        file.write_at(&filled(4096, number), random() % 200 * 4096).await.unwrap();
                        file.sync().await.unwrap();
                    }
                }
                pending::<()>().await;
            };
            launch(spec, run).unwrap();
        }
    });
    world.run(async {
        sleep(MS).await;
        for _ in 0..10 {
            let stream = Stream::connect(address, 1000 * MS).await.unwrap();
            let mut bytes = [0; 8];
            let got = stream.read(&mut bytes).await.unwrap();
            world.note(&format!("{:?}", &bytes[..got]));
        }
        sleep(10 * MS).await;
        world.crash(process, if seed.is_multiple_of(2) { CrashKind::Kill } else { CrashKind::PowerCut });
        sleep(100 * MS).await;
    });
    (world.trace_hash(), world.trace_events(), world.trace())
}

#[test]
fn a_seed_decides_everything() {
    let mut hashes = BTreeSet::new();
    for seed in 0..30 {
        let one = busy(seed);
        assert_eq!(one, busy(seed));
        assert!(one.1 > 100, "{}", one.1);
        hashes.insert(one.0);
    }
    assert_eq!(hashes.len(), 30);
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_tears_the_rest() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let world = World::new(seed);
        let machine = world.machine("m");
        let process = world.spawn_single(machine, "p", || async {
            let file = create(16384).await;
            file.write_at(&filled(4096, 1), 0).await.unwrap();
            file.sync().await.unwrap();
            file.write_at(&filled(4096, 2), 4096).await.unwrap();
            // In flight when the power goes, for most seeds.
            spawn(Lane::Commit, async move { file.write_at(&filled(4096, 3), 8192).await.unwrap() });
            pending::<()>().await;
        });
        world.run(async {
            while sectors_or_none(&world, machine).is_none_or(|found| found[8] != 2) {
                sleep(MS / 100).await;
            }
            world.crash(process, CrashKind::PowerCut);
            assert!(!world.is_running(process));
        });
        let found = sectors(&world, machine);
        assert_eq!(found[..8], [1; 8], "synced sectors are there");
        assert!(found[8..16].iter().all(|byte| [0, 2].contains(byte)));
        assert!(found[16..24].iter().all(|byte| [0, 3].contains(byte)));
        assert_eq!(found[24..], [0; 8]);
        outcomes.insert(found);
    }
    assert!(outcomes.len() > 30, "cuts differ: {}", outcomes.len());
}

fn sectors_or_none(world: &World, machine: crate::runtime::sim::MachineId) -> Option<Vec<u8>> {
    let bytes = world.disk_bytes(machine, Path::new(PATH)).ok()?;
    (bytes.len() == 16384).then(|| bytes.iter().step_by(512).copied().collect())
}

#[test]
fn after_a_kill_writes_land_late_and_the_lock_waits_for_them() {
    let (mut late, mut never, mut waited) = (0, 0, 0);
    for seed in 0..100 {
        let world = World::new(seed);
        let machine = world.machine("m");
        world.disk_faults(machine, |faults| faults.write_latency = 10 * MS..20 * MS);
        let killed = world.spawn_single(machine, "first", || async {
            let file = Rc::new(create(16384).await);
            assert!(file.try_lock().unwrap());
            let first = file.clone();
            spawn(Lane::Commit, async move { first.write_at(&filled(4096, 1), 0).await.unwrap() }).join().await;
            file.write_at(&filled(4096, 2), 4096).await.unwrap();
        });
        // The first write has landed, the second is in flight.
        world.run(async {
            while sectors_or_none(&world, machine).is_none_or(|found| found[0] != 1) {
                sleep(MS).await;
            }
            sleep(2 * MS).await;
            world.crash(killed, CrashKind::Kill);
        });
        let at_kill = sectors(&world, machine);
        assert_eq!(at_kill[8], 0);
        let next = world.spawn_single(machine, "second", || async {
            let file = File::open(Path::new(PATH), Open::ReadWrite).await.unwrap();
            while !file.try_lock().unwrap() {
                sleep(MS).await;
            }
            let found = file.read_at(4096, 4096).await.unwrap().as_slice()[0];
            // Nothing lands after the lock was given.
            sleep(200 * MS).await;
            assert_eq!(file.read_at(4096, 4096).await.unwrap().as_slice()[0], found);
            assert_eq!(file.read_at(0, 4096).await.unwrap().as_slice()[0], 1, "what had landed stays");
        });
        let before = world.elapsed();
        world.run(world.ended(next));
        match sectors(&world, machine)[8] {
            2 => late += 1,
            _ => never += 1,
        }
        if world.elapsed() - before > 210 * MS {
            waited += 1;
        }
    }
    assert!(late > 20, "{late}");
    assert!(never > 20, "{never}");
    assert!(waited > 20, "{waited}");
}

#[test]
fn faults_of_the_disk_reach_the_program() {
    let world = World::new(1);
    let machine = world.machine("m");
    let driver = &world;
    let process = world.spawn_single(machine, "p", || async {
        let file = create(4096).await;
        while file.write_at(&filled(4096, 1), 0).await.is_ok() {
            sleep(MS).await;
        }
        while file.sync().await.is_ok() {
            sleep(MS).await;
        }
        assert_eq!(file.allocate(1 << 30).await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(file.write_at(&filled(8192, 1), 1 << 20).await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::usage(Path::new("/store")).unwrap(), fs::Usage { total: 8192, available: 4096 });
    });
    world.run(async {
        sleep(10 * MS).await;
        driver.disk_faults(machine, |faults| faults.write_error = 1_000_000);
        sleep(10 * MS).await;
        driver.disk_faults(machine, |faults| faults.write_error = 0);
        driver.disk_capacity(machine, 8192);
        driver.disk_faults(machine, |faults| faults.sync_error = 1_000_000);
        driver.ended(process).await;
        driver.disk_stall(machine, 100 * MS);
        let begin = driver.elapsed();
        let stalled = driver.spawn_single(machine, "q", || async {
            File::open(Path::new(PATH), Open::Read).await.unwrap().read_at(0, 4096).await.unwrap();
        });
        driver.ended(stalled).await;
        assert!(driver.elapsed() - begin > 100 * MS);
    });
}

#[test]
fn peers_of_a_crashed_process_see_a_reset() {
    for seed in 0..50 {
        for kind in [CrashKind::Kill, CrashKind::PowerCut] {
            let world = World::new(seed);
            let machine = world.machine("m");
            let address = SocketAddr::new(world.address(machine), 1000);
            let process = world.spawn_single(machine, "p", move || async move {
                let listener = Listener::bind(address, false).unwrap();
                let stream = listener.accept().await.unwrap();
                stream.write_all(b"hello").await.unwrap();
                pending::<()>().await;
            });
            world.run(async {
                sleep(MS).await;
                let stream = Stream::connect(address, 1000 * MS).await.unwrap();
                let mut buffer = [0; 5];
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                world.crash(process, kind);
                let seen = async {
                    while stream.read(&mut buffer).await? > 0 {}
                    Ok::<(), std::io::Error>(())
                };
                let error = timeout(5000 * MS, seen).await.expect("the crash is noticed").unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                assert_eq!(stream.write_all(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
                let refused = Stream::connect(address, 1000 * MS).await.map(drop).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            });
        }
    }
}

#[test]
fn a_partition_delays_and_a_heal_delivers() {
    let world = World::new(5);
    let machine = world.machine("m");
    let here = world.machine("client");
    let address = SocketAddr::new(world.address(machine), 1000);
    world.spawn_single(machine, "server", move || async move {
        let listener = Listener::bind(address, false).unwrap();
        loop {
            let stream = listener.accept().await.unwrap();
            let mut buffer = [0; 100];
            let got = stream.read(&mut buffer).await.unwrap();
            stream.write_all(&buffer[..got]).await.unwrap();
        }
    });
    let client = world.spawn_single(here, "client", move || async move {
        sleep(MS).await;
        let stream = Stream::connect(address, 1000 * MS).await.unwrap();
        sleep(100 * MS).await;
        stream.write_all(b"x").await.unwrap();
        let begin = uptime();
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 1);
        assert!(uptime() - begin > 300 * MS);
        // The second partition is not healed.
        sleep(500 * MS).await;
        let error = Stream::connect(address, 100 * MS).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
    world.run(async {
        sleep(50 * MS).await;
        world.partition(machine, here);
        sleep(400 * MS).await;
        world.heal(machine, here);
        sleep(400 * MS).await;
        world.partition(here, machine);
        world.ended(client).await;
    });
}

#[test]
fn a_process_ends_with_its_last_core_and_drops_everything() {
    let world = World::new(3);
    let machine = world.machine("m");
    let held = Rc::new(Cell::new(0));
    let inside = held.clone();
    let process = world.spawn_single(machine, "p", move || async move {
        spawn(Lane::Background, async move {
            inside.set(1);
            pending::<()>().await;
        });
        sleep(MS).await;
    });
    world.run(world.ended(process));
    assert_eq!(held.get(), 1);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_dropped_world_frees_its_tasks() {
    let held = Rc::new(());
    let world = World::new(3);
    let machine = world.machine("m");
    let inside = held.clone();
    world.spawn_single(machine, "p", move || async move {
        let _file = create(4096).await;
        let _listener = Listener::bind(([0, 0, 0, 0], 80).into(), false).unwrap();
        let _held = inside;
        pending::<()>().await;
    });
    world.run_for(10 * MS);
    assert_eq!(Rc::strong_count(&held), 2);
    drop(world);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn wall_clocks_jump_and_the_monotonic_one_does_not() {
    let world = World::new(3);
    let machine = world.machine("m");
    world.run_for(1000 * MS);
    let process = world.spawn_single(machine, "p", || async {
        assert!(uptime() < MS, "counted from the start of the process");
        let before = now();
        sleep(10 * MS).await;
        assert!(now() < before);
        assert!(uptime() >= 10 * MS);
    });
    world.run(async {
        sleep(5 * MS).await;
        world.jump_wall_clock(machine, -60_000);
        world.ended(process).await;
    });
}

#[test]
fn rot_is_read() {
    let world = World::new(3);
    let machine = world.machine("m");
    let process = world.spawn_single(machine, "p", || async {
        let file = create(8192).await;
        file.write_at(&filled(8192, 1), 0).await.unwrap();
    });
    world.run(world.ended(process));
    world.disk_rot(machine, Path::new(PATH), 5000, &[9]).unwrap();
    let bytes = world.disk_bytes(machine, Path::new(PATH)).unwrap();
    assert_eq!(bytes[4999..5002], [1, 9, 1]);
}

#[test]
#[should_panic(expected = "the world is stuck")]
fn a_world_in_which_nothing_can_happen_says_so() {
    World::new(0).run(pending::<()>());
}
