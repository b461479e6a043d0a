//! Which fields the items of an input have, and the key by which they are known.

use std::fs::File;
use std::io;

use super::{Input, Place, unreadable};
use crate::csv::read_header;
use crate::cutter::Content;
use crate::decode::Decoded;
use crate::error::Error;
use crate::format::Layout;
use crate::item_key::ItemKey;

impl Input {
    /// The same input, whose items are known by this key.
    ///
    /// # Errors
    /// Names the field that the items lack, where that is known before anything is read.
    pub fn keyed_by(mut self, key: ItemKey) -> Result<Input, Error> {
        self.check_key(&key)?;
        self.key = Some(key);
        Ok(self)
    }

    /// Whether items of this input can have such a key, or a value to be ordered by.
    ///
    /// # Errors
    /// As [`Input::keyed_by`].
    pub fn check_key(&self, key: &ItemKey) -> Result<(), Error> {
        if self.has_no_fields()
            && let Some(name) = key.field()
        {
            return Err(format!(
                "{self} has no field `{name}`: its items have no fields; write . for the whole item, or add --format"
            )
            .into());
        }
        // An input that cannot be read is told where it is opened.
        if let Ok(Some(fields)) = self.names() {
            key.check(&fields)?;
        }
        Ok(())
    }

    /// Whether no item can have fields.
    fn has_no_fields(&self) -> bool {
        matches!(self.place, Place::Range(_)) || self.layout == Layout::Lines(Content::Text)
    }

    /// The names of the fields of every item, where they are known before anything is read: of a CSV file with a header. Lines of
    /// text and numbers have none.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn names(&self) -> io::Result<Option<Vec<String>>> {
        let (path, dialect) = match (&self.place, &self.layout) {
            (Place::File(path), Layout::Records(dialect)) => (path, dialect),
            (Place::Range(_), _)
            | (Place::Stdin | Place::File(_), Layout::Lines(Content::Text)) => {
                return Ok(Some(Vec::new()));
            }
            _ => return Ok(None),
        };
        if !self.is_replayable() {
            return Ok(None);
        }
        let header = File::open(path).and_then(|file| read_header(Decoded::new(file), dialect));
        let header = header.map_err(|cause| unreadable(path, &cause))?;
        Ok(header.map(|header| header.names().map(str::to_owned).collect()))
    }

    /// Which fields its items have, as far as that is known before any is read.
    #[cfg(feature = "http")]
    pub fn fields(&self) -> crate::http::Fields {
        use crate::http::Fields;
        match (self.names(), &self.place) {
            (Ok(Some(names)), Place::File(path)) if !names.is_empty() => Fields::Named {
                names,
                input: path.clone(),
            },
            (Ok(Some(_)), _) => Fields::None,
            // A file that cannot be read is told where it is opened.
            _ => Fields::Unknown,
        }
    }
}
