//! Where the code that runs at this moment belongs: which world, process and core. Set around every poll.

use super::super::{Backend, enter as enter_backend};
use super::{process::ProcessId, world::Inner};
use std::{cell::RefCell, rc::Rc};

#[derive(Clone)]
pub struct Here {
    pub world: Rc<Inner>,
    pub process: ProcessId,
    pub core: u32,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// Restores what was there before.
pub struct Entered {
    outer: Option<Here>,
    backend: Backend,
}

pub fn enter(here: Here) -> Entered {
    let outer = HERE.replace(Some(here));
    Entered { outer, backend: enter_backend(Backend::Sim) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The world that leaves may be the last to hold things whose destructors look here: not while it is borrowed.
        let left = HERE.replace(self.outer.take());
        enter_backend(self.backend);
        drop(left);
    }
}

pub fn here() -> Here {
    HERE.with_borrow(|here| here.clone().expect("the backend is Sim only inside of a world"))
}
