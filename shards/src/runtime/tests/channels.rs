//! Channels between two cores.

use crate::runtime::{CoreHandle, CoreSpec, Receiver, Sender, channel, launch, sim::World, sleep};
use std::{future::Future, time::Duration};

const CAPACITY: usize = 8;

/// Two cores with a channel from the first to the second.
fn two_cores<S, R>(
    sends: impl FnOnce(Sender<u64>) -> S + Send + 'static,
    receives: impl FnOnce(Receiver<u64>) -> R + Send + 'static,
) -> [CoreHandle; 2]
where
    S: Future<Output = ()> + 'static,
    R: Future<Output = ()> + 'static,
{
    let spec = |name: &str| CoreSpec { name: name.into(), cpu: None, io_memory: 1 << 20, spin: Duration::ZERO };
    let (outlet, inlet) = channel(CAPACITY);
    [
        launch(spec("sends"), move || async move { sends(outlet.connect().await).await }).unwrap(),
        launch(spec("receives"), move || async move { receives(inlet.connect().await).await }).unwrap(),
    ]
}

/// Sends a thousand numbers and goes; a slow reader makes the sender wait.
fn a_thousand_numbers() -> [CoreHandle; 2] {
    let sends = |sender: Sender<u64>| async move {
        for number in 0..1000 {
            sender.send(number).await.expect("the receiver stays");
        }
    };
    let receives = |receiver: Receiver<u64>| async move {
        for number in 0..1000 {
            assert_eq!(receiver.recv().await, Some(number));
            if number % 100 == 0 {
                sleep(Duration::from_micros(300)).await;
            }
        }
        assert_eq!(receiver.recv().await, None);
    };
    two_cores(sends, receives)
}

/// A full channel hands the value back; so does one whose receiver is gone.
fn refused_values() -> [CoreHandle; 2] {
    let sends = |sender: Sender<u64>| async move {
        let mut sent = 0;
        while sender.try_send(sent).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, CAPACITY as u64);
        sleep(Duration::from_millis(60)).await;
        assert_eq!(sender.try_send(7), Err(7));
        assert_eq!(sender.send(8).await, Err(8));
    };
    let receives = |receiver: Receiver<u64>| async move {
        sleep(Duration::from_millis(30)).await;
        assert_eq!(receiver.recv().await, Some(0));
    };
    two_cores(sends, receives)
}

fn simulated(start: fn() -> [CoreHandle; 2]) {
    for seed in 0..super::SEEDS {
        let world = World::new(seed);
        let machine = world.machine("m");
        let process = world.spawn_process(machine, "p", || {
            start();
        });
        world.run(world.ended(process));
    }
}

#[test]
fn simulated_numbers_arrive_in_order() {
    simulated(a_thousand_numbers);
}

#[test]
fn simulated_values_are_refused() {
    simulated(refused_values);
}

#[cfg(feature = "glommio")]
fn real(start: fn() -> [CoreHandle; 2]) {
    if let Err(why) = crate::runtime::glommio::probe() {
        eprintln!("skipped: {why}");
        return;
    }
    for core in start() {
        core.join().expect("both cores end in good order");
    }
}

#[cfg(feature = "glommio")]
#[test]
fn real_numbers_arrive_in_order() {
    real(a_thousand_numbers);
}

#[cfg(feature = "glommio")]
#[test]
fn real_values_are_refused() {
    real(refused_values);
}
