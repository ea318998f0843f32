//! What both backends promise, said once: each body runs on glommio (skipped with its reason where io_uring cannot be
//! used) and in simulation under many seeds, each seed twice with equal traces.

mod channels;
mod cold;
mod files;
mod halves;
mod leaving;
mod pop;
mod resets;
mod selection;
mod shard;
mod sockets;
mod tasks;
mod timers;
mod told;
mod unread;
mod worlds;

#[cfg(feature = "glommio")]
mod cores;

use super::sim::World;
use std::{future::Future, path::PathBuf};

const SEEDS: u64 = 40;

/// Runs a body in simulation; it gets a folder to work in.
fn simulated<G: Future<Output = ()>>(body: impl Fn(PathBuf) -> G) {
    for seed in 0..SEEDS {
        let hash = || {
            let world = World::new(seed);
            world.run(body(PathBuf::from("/work")));
            world.trace_hash()
        };
        assert_eq!(hash(), hash(), "seed {seed} gave two different traces");
    }
}

/// Runs a body on a real executor, in a real folder that is removed afterwards.
#[cfg(feature = "glommio")]
fn real<F, G>(name: &str, body: F)
where
    F: FnOnce(PathBuf) -> G + Send + 'static,
    G: Future<Output = ()> + 'static,
{
    if let Err(why) = super::glommio::probe() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = Folder::new(name);
    let path = folder.0.clone();
    let (done, wait) = std::sync::mpsc::channel();
    let spec = super::CoreSpec { name: name.into(), cpu: None, io_memory: 1 << 20, spin: std::time::Duration::ZERO };
    let core = super::launch(spec, move || async move {
        body(path).await;
        done.send(()).expect("the test waits");
    });
    let joined = core.expect("probe has said yes").join();
    wait.try_recv().expect("the body ran to its end");
    joined.expect("the core ends in good order");
}

#[cfg(feature = "glommio")]
struct Folder(PathBuf);

#[cfg(feature = "glommio")]
impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ringmq-runtime-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }
}

#[cfg(feature = "glommio")]
impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Two tests of one body.
macro_rules! on_both {
    ($($body:ident),* $(,)?) => { $(
        mod $body {
            #[test]
            fn simulated() {
                crate::runtime::tests::simulated(super::bodies::$body);
            }

            #[cfg(feature = "glommio")]
            #[test]
            fn real() {
                crate::runtime::tests::real(stringify!($body), super::bodies::$body);
            }
        }
    )* };
}
use on_both;
