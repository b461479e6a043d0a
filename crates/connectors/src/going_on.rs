//! Going on where an earlier run has stopped reading: whether all before its places is what it was.

use std::io;

use inflight::{Fault, Place};

use crate::fingerprint::{changed, continued, may_follow_cut, shorter};
use crate::line_place::LinePlace;
use crate::window::Window;

/// Whether all before these places is what it was, and what comes after the last; else what differs. Leaves the reader at
/// `from`, or at the beginning.
pub(crate) fn check(
    reader: &mut Window,
    name: &str,
    from: Option<&LinePlace>,
    read_to: Option<&LinePlace>,
) -> Result<(), Fault> {
    if !reader.is_file() {
        return Ok(());
    }
    reader.hash();
    let mut back = reader.here();
    let mut places: Vec<_> = [from, read_to].into_iter().flatten().collect();
    places.sort_by_key(|place| place.offset);
    for place in places {
        check_one(reader, name, place)?;
        if Some(place) == from {
            back = reader.here();
        }
    }
    let Some(back) = back else {
        return Ok(());
    };
    let went = reader.go_back(back);
    went.map_err(|cause| unreadable(name, cause))
}

fn check_one(reader: &mut Window, name: &str, place: &LinePlace) -> Result<(), Fault> {
    let is_there = reader.take_to(place.offset);
    if !is_there.map_err(|cause| unreadable(name, cause))? {
        let why = shorter(name, reader.offset(), place.offset);
        return Err(Fault::permanent(why));
    }
    if reader.digest() != Some(place.hash) {
        return Err(Fault::permanent(changed(name, place.offset)));
    }
    let next = reader.peek().map_err(|cause| unreadable(name, cause))?;
    match place.is_cut && !may_follow_cut(&next) {
        true => Err(Fault::permanent(continued(name))),
        false => Ok(()),
    }
}

/// What a journal says of a place.
pub(crate) fn read_place(
    reader: &Window,
    name: &str,
    place: Option<&Place>,
) -> Result<Option<LinePlace>, Fault> {
    let Some(place) = place else {
        return Ok(None);
    };
    match LinePlace::read(place) {
        Some(place) if reader.is_file() => Ok(Some(place)),
        Some(_) => Err(Fault::permanent(format!(
            "{name} was a file, and is one no more"
        ))),
        None => Err(Fault::permanent(format!(
            "the journal knows no place in a file of lines, as {name} is"
        ))),
    }
}

pub(crate) fn unreadable(name: &str, cause: io::Error) -> Fault {
    Fault::permanent(format!("cannot read {name}")).because(cause)
}
