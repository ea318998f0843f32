//! Machines, their processes, and how those end.
//!
//! A machine has a disk, an address and a wall clock, and outlives its processes. A process has cores, each with a root
//! task; when the last root task ends the process exits, and everything else it had is dropped.

use super::{
    context::{self, Here},
    disk::{Disk, Operation},
    tasks::TaskId,
    trace::Event,
    world::Inner,
};
use std::{future::Future, net::Ipv4Addr, ops::Range, rc::Rc, task::Waker, time::Duration};

/// A machine of this world; it keeps its disk when its processes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineId(pub(super) u32);

/// A process; never reused, a restarted one is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub(super) u32);

/// How a process is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// SIGKILL: the kernel lives on. Writes in flight may still land some tens of milliseconds later, and the file's
    /// lock is held until they have. Peers see their connections reset.
    Kill,
    /// The whole machine stops, with all its processes. Every sector that was not synced may be there or not.
    PowerCut,
}

/// After a kill, a write in flight lands within this.
const LATE_WRITE: Range<Duration> = Duration::ZERO..Duration::from_millis(80);
/// After a power cut, peers notice within this.
const LATE_RESET: Range<Duration> = Duration::from_millis(1)..Duration::from_secs(2);

pub(super) struct Machine {
    pub name: String,
    pub address: Ipv4Addr,
    pub disk: Disk,
    /// Milliseconds that this machine's wall clock is ahead of the world's.
    pub wall_offset: i64,
}

pub(super) struct Process {
    pub name: String,
    pub machine: MachineId,
    pub started: Duration,
    /// Cores launched so far.
    pub cores: u32,
    /// Of them, those whose root task has not ended.
    pub cores_running: u32,
    pub alive: bool,
    pub when_ended: Vec<Waker>,
}

/// Why a process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Exit,
    Kill,
    PowerCut,
}

impl Inner {
    pub fn add_machine(&self, name: &str) -> MachineId {
        let mut machines = self.machines.borrow_mut();
        let number = u32::try_from(machines.len()).expect("few machines");
        let [.., high, low] = number.to_be_bytes();
        machines.push(Machine {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 0, high, low + 1),
            disk: Disk::new(),
            wall_offset: 0,
        });
        MachineId(number)
    }

    /// A process that has no core yet.
    pub fn add_process(&self, machine: MachineId, name: &str) -> ProcessId {
        let mut processes = self.processes.borrow_mut();
        let number = u32::try_from(processes.len()).expect("fewer than 2^32 processes");
        processes.push(Process {
            name: name.to_owned(),
            machine,
            started: self.clock.get(),
            cores: 0,
            cores_running: 0,
            alive: true,
            when_ended: Vec::new(),
        });
        ProcessId(number)
    }

    pub fn is_alive(&self, process: ProcessId) -> bool {
        self.processes.borrow()[process.0 as usize].alive
    }

    pub fn machine_of(&self, process: ProcessId) -> MachineId {
        self.processes.borrow()[process.0 as usize].machine
    }

    pub fn with_disk<R>(&self, machine: MachineId, f: impl FnOnce(&mut Disk) -> R) -> R {
        f(&mut self.machines.borrow_mut()[machine.0 as usize].disk)
    }

    /// Adds a core to a process.
    pub fn launch<G: Future<Output = ()> + 'static>(self: &Rc<Inner>, process: ProcessId, f: impl FnOnce() -> G + 'static) {
        let core = {
            let entry = &mut self.processes.borrow_mut()[process.0 as usize];
            assert!(entry.alive, "an ended process starts no cores");
            entry.cores += 1;
            entry.cores_running += 1;
            entry.cores - 1
        };
        self.note(Event::Launch, u64::from(process.0), u64::from(core));
        self.spawn(process, core, true, async move { f().await });
    }

    /// A core's root task has ended: the core's other tasks end too, and with the last core the process.
    pub fn core_ended(self: &Rc<Inner>, process: ProcessId, core: u32) {
        let last = {
            let entry = &mut self.processes.borrow_mut()[process.0 as usize];
            entry.cores_running -= 1;
            entry.cores_running == 0
        };
        self.drop_tasks(process, |task_core| task_core == core);
        if last {
            self.end(process, End::Exit);
        }
    }

    pub fn crash(self: &Rc<Inner>, process: ProcessId, kind: CrashKind) {
        if !self.is_alive(process) {
            return;
        }
        match kind {
            CrashKind::Kill => self.end(process, End::Kill),
            CrashKind::PowerCut => self.power_cut(self.machine_of(process)),
        }
    }

    pub fn power_cut(self: &Rc<Inner>, machine: MachineId) {
        // The disk first: what the ended processes had in flight may have been half written.
        self.with_disk(machine, |disk| disk.cut(&mut self.random.borrow_mut()));
        let count = self.processes.borrow().len();
        for process in (0..count as u32).map(ProcessId) {
            if self.machine_of(process) == machine && self.is_alive(process) {
                self.end(process, End::PowerCut);
            }
        }
    }

    fn end(self: &Rc<Inner>, process: ProcessId, how: End) {
        let (machine, waiting) = {
            let entry = &mut self.processes.borrow_mut()[process.0 as usize];
            if !entry.alive {
                return;
            }
            entry.alive = false;
            (entry.machine, std::mem::take(&mut entry.when_ended))
        };
        self.note(Event::End, u64::from(process.0), how as u64);
        // Sockets and files before tasks: a destructor of a task must find them gone, as no destructor runs in a kill.
        match how {
            End::Exit => self.drop_sockets(process, None),
            End::Kill => self.drop_sockets(process, Some(Duration::ZERO..Duration::from_millis(1))),
            End::PowerCut => self.drop_sockets(process, Some(LATE_RESET)),
        }
        if how != End::PowerCut {
            let later = self
                .with_disk(machine, |disk| disk.abandon(process, &LATE_WRITE, self.clock.get(), &mut self.random.borrow_mut()));
            for (operation, at) in later {
                self.land_at(machine, operation, at);
            }
        }
        self.drop_tasks(process, |_| true);
        for waker in waiting {
            waker.wake();
        }
    }

    /// Drops the futures of a process's tasks, in that process's context.
    fn drop_tasks(self: &Rc<Inner>, process: ProcessId, of_core: impl Fn(u32) -> bool) {
        let doomed: Vec<TaskId> = self.tasks.borrow().of_process(process, of_core);
        for id in doomed {
            if let Some(task) = self.tasks.borrow_mut().remove(id) {
                let _here = context::enter(Here { world: self.clone(), process, core: task.core });
                drop(task.future);
                task.end.reached();
            }
        }
    }

    /// Lets a disk operation land at its moment.
    pub fn land_at(self: &Rc<Inner>, machine: MachineId, operation: Operation, at: Duration) {
        self.at(at, move |world| {
            let now = world.wall(machine);
            let landed = world.with_disk(machine, |disk| disk.land(operation, now, &mut world.random.borrow_mut()));
            if let Some(code) = landed {
                world.note(Event::Landed, operation.0, code as u64);
            }
        });
    }
}
