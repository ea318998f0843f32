//! The tasks of all simulated cores, and who is ready.

use super::{
    context::{self, Here},
    process::ProcessId,
    trace::Event,
    world::Inner,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::{Rc, Weak},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(pub u64);

impl TaskId {
    /// The future that the test itself runs.
    pub const DRIVER: TaskId = TaskId(0);
}

/// Tasks that were woken, each once. Wakers must be `Send` by their type, hence the lock; nobody ever waits for it.
#[derive(Default)]
pub struct Ready(Mutex<Vec<TaskId>>);

impl Ready {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<TaskId>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn len(&self) -> usize {
        self.list().len()
    }

    pub fn take(&self, index: usize) -> TaskId {
        self.list().swap_remove(index)
    }
}

pub struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl TaskWaker {
    pub fn new(id: TaskId, ready: Arc<Ready>) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { id, queued: AtomicBool::new(false), ready })
    }

    /// From here on the task can be woken again.
    pub fn taken(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<TaskWaker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<TaskWaker>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.list().push(self.id);
        }
    }
}

pub struct Entry {
    /// `None` while it is being polled.
    pub future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    process: ProcessId,
    pub core: u32,
    /// The core ends with it.
    root: bool,
    cancelled: bool,
    waker: Arc<TaskWaker>,
    pub end: Rc<EndOfTask>,
}

#[derive(Default)]
pub struct EndOfTask {
    over: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl EndOfTask {
    pub fn reached(&self) {
        self.over.set(true);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}

#[derive(Default)]
pub struct Tasks {
    entries: BTreeMap<TaskId, Entry>,
    last: u64,
}

impl Tasks {
    pub fn remove(&mut self, id: TaskId) -> Option<Entry> {
        self.entries.remove(&id)
    }

    pub fn of_process(&self, process: ProcessId, of_core: impl Fn(u32) -> bool) -> Vec<TaskId> {
        let wanted = self.entries.iter().filter(|(_, entry)| entry.process == process && of_core(entry.core));
        wanted.map(|(id, _)| *id).collect()
    }

    pub fn take_all(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries).into_values().collect()
    }

    /// Live tasks per process and core, for the message of a world that is stuck.
    pub fn census(&self) -> BTreeMap<(ProcessId, u32), usize> {
        let mut census = BTreeMap::new();
        for entry in self.entries.values() {
            *census.entry((entry.process, entry.core)).or_default() += 1;
        }
        census
    }
}

/// A spawned task's handle.
pub struct Task {
    id: TaskId,
    world: Weak<Inner>,
    end: Rc<EndOfTask>,
}

impl Task {
    pub fn cancel(self) {
        let Some(world) = self.world.upgrade() else { return };
        if let Some(entry) = world.tasks.borrow_mut().entries.get_mut(&self.id) {
            entry.cancelled = true;
            entry.waker.wake_by_ref();
        }
    }

    pub async fn join(self) {
        poll_fn(|cx| {
            if self.end.over.get() {
                return Poll::Ready(());
            }
            self.end.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Inner {
    pub fn spawn(self: &Rc<Inner>, process: ProcessId, core: u32, root: bool, f: impl Future<Output = ()> + 'static) -> Task {
        let end = Rc::<EndOfTask>::default();
        if !self.is_alive(process) {
            // Only a destructor of an ended process comes here.
            end.reached();
            return Task { id: TaskId::DRIVER, world: Weak::new(), end };
        }
        let mut tasks = self.tasks.borrow_mut();
        tasks.last += 1;
        let id = TaskId(tasks.last);
        let waker = TaskWaker::new(id, self.ready.clone());
        waker.wake_by_ref();
        let future: Option<Pin<Box<dyn Future<Output = ()>>>> = Some(Box::pin(f));
        let entry = Entry { future, process, core, root, cancelled: false, waker, end: end.clone() };
        tasks.entries.insert(id, entry);
        drop(tasks);
        self.note(Event::Spawn, id.0, u64::from(process.0));
        Task { id, world: Rc::downgrade(self), end }
    }

    /// Gives a woken task its turn.
    pub fn poll_task(self: &Rc<Inner>, id: TaskId) {
        let (mut future, cancelled, waker, process, core) = {
            let mut tasks = self.tasks.borrow_mut();
            // Woken, and ended since.
            let Some(entry) = tasks.entries.get_mut(&id) else { return };
            entry.waker.taken();
            let future = entry.future.take().expect("a task is polled by the run loop only, one at a time");
            (future, entry.cancelled, entry.waker.clone(), entry.process, entry.core)
        };
        self.note(Event::Poll, id.0, u64::from(process.0));
        let _here = context::enter(Here { world: self.clone(), process, core });
        let waker = Waker::from(waker);
        let over = cancelled || future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if !over && let Some(entry) = self.tasks.borrow_mut().entries.get_mut(&id) {
            entry.future = Some(future);
            return;
        }
        // Ended, cancelled, or its process crashed during the poll (then the entry is gone already).
        drop(future);
        let entry = self.tasks.borrow_mut().remove(id);
        if let Some(entry) = entry {
            entry.end.reached();
            if entry.root {
                self.core_ended(process, core);
            }
        }
    }
}
