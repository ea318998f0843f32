//! A simulated world: one seed decides everything that happens in it.
//!
//! The run loop does one thing at a time: what is due at the present virtual moment; else one randomly chosen task of
//! those that are ready; else it moves the clock to the next moment at which something is due.
//!
//! Invariants:
//! - Nothing here iterates a hash map, reads a real clock or asks for real chance: a seed always gives the same trace.
//! - No `RefCell` is borrowed while code of the simulated program runs.

use super::{
    context::{self, Here},
    disk::DiskFaults,
    network::{Network, NetworkFaults},
    process::{CrashKind, Machine, MachineId, Process, ProcessId},
    random::Random,
    tasks::{Ready, TaskId, TaskWaker, Tasks},
    timers::{Action, Timers},
    trace::{Event, Trace},
};
use crate::types::Millis;
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    path::Path,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The wall clock at the beginning of every world: 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600_000;

/// What one turn of a task takes. Not nothing, so that a loop which only yields lets time pass.
const TURN_NANOS: u64 = 2000;

pub struct Inner {
    pub seed: u64,
    pub random: RefCell<Random>,
    pub clock: Cell<Duration>,
    pub trace: RefCell<Trace>,
    pub tasks: RefCell<Tasks>,
    pub ready: Arc<Ready>,
    pub timers: RefCell<Timers>,
    pub(super) machines: RefCell<Vec<Machine>>,
    pub(super) processes: RefCell<Vec<Process>>,
    pub network: RefCell<Network>,
    /// The virtual moment at which a run is taken for stuck.
    limit: Cell<Duration>,
}

/// The owner of a world. Everything in it is dropped with it.
pub struct World {
    inner: Rc<Inner>,
}

impl World {
    /// A world with one machine, on which the test itself (the future given to `run`) is a process.
    pub fn new(seed: u64) -> World {
        let inner = Rc::new(Inner {
            seed,
            random: RefCell::new(Random::new(seed)),
            clock: Cell::new(Duration::ZERO),
            trace: RefCell::default(),
            tasks: RefCell::default(),
            ready: Arc::default(),
            timers: RefCell::default(),
            machines: RefCell::default(),
            processes: RefCell::default(),
            network: RefCell::new(Network::new()),
            limit: Cell::new(Duration::from_secs(24 * 3600)),
        });
        let machine = inner.add_machine("driver");
        let driver = inner.add_process(machine, "driver");
        assert_eq!(driver, World::DRIVER);
        World { inner }
    }

    const DRIVER: ProcessId = ProcessId(0);

    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// A new machine: an address, an empty disk, a wall clock.
    pub fn machine(&self, name: &str) -> MachineId {
        self.inner.add_machine(name)
    }

    pub fn address(&self, machine: MachineId) -> IpAddr {
        self.inner.machines.borrow()[machine.0 as usize].address.into()
    }

    /// Starts a process. `main` runs at once, in the process's context: it makes channels and calls `runtime::launch`
    /// for each core, as the real main function does; it must not await. The process ends when the root future of each
    /// core has ended, or by a crash.
    pub fn spawn_process(&self, machine: MachineId, name: &str, main: impl FnOnce()) -> ProcessId {
        let process = self.inner.add_process(machine, name);
        let here = context::enter(Here { world: self.inner.clone(), process, core: 0 });
        main();
        drop(here);
        assert!(self.inner.processes.borrow()[process.0 as usize].cores > 0, "{name}: main has launched no core");
        process
    }

    /// Starts a process of one core.
    pub fn spawn_single<G: Future<Output = ()> + 'static>(
        &self,
        machine: MachineId,
        name: &str,
        f: impl FnOnce() -> G + 'static,
    ) -> ProcessId {
        let process = self.inner.add_process(machine, name);
        self.inner.launch(process, f);
        process
    }

    /// Ends a process now; the machine and its disk stay, and a new process can be started there at once.
    pub fn crash(&self, process: ProcessId, kind: CrashKind) {
        self.inner.crash(process, kind);
    }

    /// Cuts the power of a machine that may run several processes, or none.
    pub fn power_cut(&self, machine: MachineId) {
        self.inner.power_cut(machine);
    }

    pub fn is_running(&self, process: ProcessId) -> bool {
        self.inner.is_alive(process)
    }

    /// Waits, inside of `run`, until a process has ended.
    pub async fn ended(&self, process: ProcessId) {
        poll_fn(|cx| {
            let entry = &mut self.inner.processes.borrow_mut()[process.0 as usize];
            if !entry.alive {
                return Poll::Ready(());
            }
            entry.when_ended.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Runs the world until `f` is done. `f` is the test: it runs in the driver's process and may use all of `runtime`.
    pub fn run<T>(&self, f: impl Future<Output = T>) -> T {
        let mut f = pin!(f);
        let task = TaskWaker::new(TaskId::DRIVER, self.inner.ready.clone());
        let waker = Waker::from(task.clone());
        waker.wake_by_ref();
        loop {
            match self.inner.next_turn() {
                Some(TaskId::DRIVER) => {
                    task.taken();
                    self.inner.note(Event::Poll, 0, 0);
                    let _here = context::enter(Here { world: self.inner.clone(), process: World::DRIVER, core: 0 });
                    if let Poll::Ready(output) = f.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
                Some(id) => self.inner.poll_task(id),
                None => panic!("the world is stuck: nobody is ready and nothing is due; tasks alive: {}", self.census()),
            }
            let now = self.inner.clock.get();
            assert!(
                now < self.inner.limit.get(),
                "the run takes longer than {now:?} of virtual time; tasks alive: {}",
                self.census()
            );
        }
    }

    pub fn run_for(&self, d: Duration) {
        self.run(super::sleep(d));
    }

    fn census(&self) -> String {
        let processes = self.inner.processes.borrow();
        let census = self.inner.tasks.borrow().census();
        let machines = self.inner.machines.borrow();
        let lines = census.iter().map(|((process, core), count)| {
            let process = &processes[process.0 as usize];
            format!("{} on {} core {core}: {count}", process.name, machines[process.machine.0 as usize].name)
        });
        lines.collect::<Vec<_>>().join(", ")
    }

    /// Panics a run that goes on beyond this virtual moment.
    pub fn set_limit(&self, limit: Duration) {
        self.inner.limit.set(limit);
    }

    /// The virtual time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.inner.clock.get()
    }

    /// A number from the world's seed, for the test's own decisions.
    pub fn random(&self) -> u64 {
        self.inner.random.borrow_mut().number()
    }

    /// The machine's wall clock jumps by so many milliseconds, in either direction.
    pub fn jump_wall_clock(&self, machine: MachineId, by: i64) {
        self.inner.machines.borrow_mut()[machine.0 as usize].wall_offset += by;
    }

    /// Changes what can go wrong with a machine's disk from here on.
    pub fn disk_faults(&self, machine: MachineId, change: impl FnOnce(&mut DiskFaults)) {
        self.inner.with_disk(machine, |disk| change(&mut disk.faults));
    }

    /// How many bytes fit on the machine's disk; beyond them writes fail with ENOSPC.
    pub fn disk_capacity(&self, machine: MachineId, bytes: u64) {
        self.inner.with_disk(machine, |disk| disk.capacity = bytes);
    }

    /// The unit that the drive writes whole, and the alignment that it asks for: 512 or 4096.
    pub fn disk_sector(&self, machine: MachineId, bytes: u32) {
        assert!(bytes == 512 || bytes == 4096, "drives have sectors of 512 or 4096 bytes");
        self.inner.with_disk(machine, |disk| disk.sector = bytes);
    }

    /// What is begun from here on lands only after this time.
    pub fn disk_stall(&self, machine: MachineId, d: Duration) {
        let until = self.inner.clock.get() + d;
        self.inner.with_disk(machine, |disk| disk.stalled_until = until);
    }

    /// A file as it would be read now.
    pub fn disk_bytes(&self, machine: MachineId, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.with_disk(machine, |disk| disk.bytes(path))
    }

    /// Changes bytes of a file behind everyone's back.
    pub fn disk_rot(&self, machine: MachineId, path: &Path, pos: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.with_disk(machine, |disk| disk.poke(path, pos, bytes))
    }

    /// Changes what can go wrong in the network from here on.
    pub fn network_faults(&self, change: impl FnOnce(&mut NetworkFaults)) {
        change(&mut self.inner.network.borrow_mut().faults);
    }

    /// Between these machines nothing arrives until `heal`.
    pub fn partition(&self, one: MachineId, two: MachineId) {
        self.inner.network.borrow_mut().partition(one, two);
    }

    pub fn heal(&self, one: MachineId, two: MachineId) {
        self.inner.network.borrow_mut().heal(one, two);
    }

    /// Resets every connection of a machine, as a firewall that forgets would.
    pub fn reset_connections(&self, machine: MachineId) {
        self.inner.reset_connections(machine);
    }

    /// Folds something the test has seen into the trace.
    pub fn note(&self, text: &str) {
        self.inner.trace.borrow_mut().text(self.inner.clock.get(), text);
    }

    /// Everything that has happened, as one number: equal for two runs of the same seed.
    pub fn trace_hash(&self) -> u64 {
        self.inner.trace.borrow().hash()
    }

    pub fn trace_events(&self) -> u64 {
        self.inner.trace.borrow().events()
    }

    /// Keeps the trace as text from here on, to find where two runs part.
    pub fn keep_trace(&self) {
        self.inner.trace.borrow_mut().keep_lines();
    }

    pub fn trace(&self) -> Vec<String> {
        self.inner.trace.borrow().lines().to_vec()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("simulation: seed {}, at {:?} of virtual time", self.inner.seed, self.inner.clock.get());
        }
        // Tasks hold handles that lead back here; without this nothing of a world would ever be freed.
        for process in self.inner.processes.borrow_mut().iter_mut() {
            process.alive = false;
        }
        let tasks = self.inner.tasks.borrow_mut().take_all();
        let _here = context::enter(Here { world: self.inner.clone(), process: World::DRIVER, core: 0 });
        drop(tasks);
        let actions = self.inner.timers.borrow_mut().take_all();
        drop(actions);
    }
}

impl Inner {
    /// Lets happen what is due, moves the clock if nobody is ready, and picks who is next.
    fn next_turn(self: &Rc<Inner>) -> Option<TaskId> {
        loop {
            loop {
                let due = self.timers.borrow_mut().take_due(self.clock.get());
                match due {
                    Some(Action::Wake(waker)) => waker.wake(),
                    Some(Action::Do(f)) => f(self),
                    None => break,
                }
            }
            let ready = self.ready.len();
            if ready > 0 {
                let mut random = self.random.borrow_mut();
                let takes = Duration::from_nanos(1 + random.below(TURN_NANOS));
                self.clock.set(self.clock.get() + takes);
                return Some(self.ready.take(random.index(ready)));
            }
            self.clock.set(self.timers.borrow().next()?);
        }
    }

    pub fn note(&self, event: Event, one: u64, two: u64) {
        self.trace.borrow_mut().note(self.clock.get(), event, one, two);
    }

    /// A machine's wall clock.
    pub fn wall(&self, machine: MachineId) -> Millis {
        let since = i64::try_from(self.clock.get().as_millis()).expect("worlds end before that");
        Millis(EPOCH + since + self.machines.borrow()[machine.0 as usize].wall_offset)
    }
}
