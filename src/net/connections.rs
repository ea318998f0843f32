//! The connections of one core, by number.
//!
//! A number is never given twice: the low half is the place in the table, the high half counts its uses, so an answer for
//! a connection that is gone finds nothing instead of its successor.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::connection::{Connection, ConnectionNumber};

#[derive(Default)]
pub struct Connections {
    places: RefCell<Vec<Place>>,
    free: RefCell<Vec<u32>>,
    open: Cell<usize>,
}

#[derive(Default)]
struct Place {
    uses: u32,
    connection: Option<Rc<Connection>>,
}

impl Connections {
    /// The number that the next connection gets, and the connection made with it.
    pub fn insert(&self, make: impl FnOnce(ConnectionNumber) -> Connection) -> Rc<Connection> {
        let mut places = self.places.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            places.push(Place::default());
            u32::try_from(places.len() - 1).expect("file descriptors end long before")
        });
        let entry = &mut places[place as usize];
        entry.uses = entry.uses.wrapping_add(1);
        let number = ConnectionNumber(u64::from(entry.uses) << 32 | u64::from(place));
        let connection = Rc::new(make(number));
        entry.connection = Some(connection.clone());
        self.open.set(self.open.get() + 1);
        connection
    }

    pub fn get(&self, number: ConnectionNumber) -> Option<Rc<Connection>> {
        let places = self.places.borrow();
        let entry = places.get((number.0 & 0xffff_ffff) as usize)?;
        if u64::from(entry.uses) != number.0 >> 32 {
            return None;
        }
        entry.connection.clone()
    }

    pub fn remove(&self, number: ConnectionNumber) {
        let place = (number.0 & 0xffff_ffff) as u32;
        let mut places = self.places.borrow_mut();
        let entry = &mut places[place as usize];
        assert!(u64::from(entry.uses) == number.0 >> 32, "a connection is removed once");
        assert!(entry.connection.take().is_some(), "a connection is removed once");
        self.free.borrow_mut().push(place);
        self.open.set(self.open.get() - 1);
    }

    pub fn count(&self) -> usize {
        self.open.get()
    }

    /// All of them, as they are now.
    pub fn all(&self) -> Vec<Rc<Connection>> {
        self.places.borrow().iter().filter_map(|place| place.connection.clone()).collect()
    }
}
