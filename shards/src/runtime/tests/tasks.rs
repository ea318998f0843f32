//! Tasks, timers, clocks.

super::on_both!(
    timers_fire_when_they_are_due,
    a_timeout_drops_what_takes_too_long,
    a_cancelled_task_is_dropped,
    a_dropped_handle_lets_the_task_run,
    a_loop_that_yields_starves_nobody,
    signals_and_slots_join_tasks,
    clocks_go_forward,
);

mod bodies {
    use crate::runtime::{Lane, Signal, now, random, should_yield, sleep, slot, spawn, timeout, uptime, yield_now};
    use std::{cell::Cell, future::pending, path::PathBuf, rc::Rc, time::Duration};

    const MS: Duration = Duration::from_millis(1);

    pub async fn timers_fire_when_they_are_due(_: PathBuf) {
        let begin = uptime();
        let tasks = [30, 10, 20, 0].map(|ms| {
            spawn(Lane::Network, async move {
                sleep(ms * MS).await;
                assert!(uptime() - begin >= ms * MS);
            })
        });
        for task in tasks {
            task.join().await;
        }
    }

    pub async fn a_timeout_drops_what_takes_too_long(_: PathBuf) {
        assert_eq!(timeout(1000 * MS, async { 7 }).await, Some(7));
        let held = Rc::new(());
        let inside = held.clone();
        let never = async move {
            let _held = inside;
            pending::<()>().await;
        };
        assert_eq!(timeout(5 * MS, never).await, None);
        assert_eq!(Rc::strong_count(&held), 1);
    }

    pub async fn a_cancelled_task_is_dropped(_: PathBuf) {
        let held = Rc::new(());
        for lane in [Lane::Network, Lane::Commit, Lane::Mesh, Lane::Background] {
            let inside = held.clone();
            let task = spawn(lane, async move {
                let _held = inside;
                pending::<()>().await;
            });
            yield_now().await;
            task.cancel();
        }
        while Rc::strong_count(&held) > 1 {
            sleep(MS).await;
        }
        let ended = spawn(Lane::Network, async {});
        sleep(MS).await;
        ended.cancel();
    }

    pub async fn a_dropped_handle_lets_the_task_run(_: PathBuf) {
        let (setter, waiter) = slot();
        drop(spawn(Lane::Background, async move {
            sleep(MS).await;
            setter.set(1);
        }));
        assert_eq!(waiter.await, Some(1));
    }

    pub async fn a_loop_that_yields_starves_nobody(_: PathBuf) {
        let over = Rc::new(Cell::new(false));
        let seen = over.clone();
        let busy = spawn(Lane::Network, async move {
            while !seen.get() {
                while !should_yield() {
                    std::hint::spin_loop();
                }
                yield_now().await;
            }
        });
        sleep(5 * MS).await;
        over.set(true);
        busy.join().await;
    }

    pub async fn signals_and_slots_join_tasks(_: PathBuf) {
        let signal = Rc::new(Signal::new());
        let woken = Rc::new(Cell::new(0));
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let (signal, woken) = (signal.clone(), woken.clone());
                spawn(Lane::Commit, async move {
                    signal.wait().await;
                    woken.set(woken.get() + 1);
                })
            })
            .collect();
        sleep(MS).await;
        assert_eq!(woken.get(), 0);
        signal.raise();
        for waiter in waiters {
            waiter.join().await;
        }
        assert_eq!(woken.get(), 3);
    }

    pub async fn clocks_go_forward(_: PathBuf) {
        let (wall, since) = (now(), uptime());
        sleep(20 * MS).await;
        assert!(uptime() - since >= 20 * MS);
        assert!(now().0 - wall.0 >= 19);
        assert!(wall.0 > 1_700_000_000_000);
        assert_ne!(random(), random());
    }
}
