//! The columns of items that are known by a key, and of tables that know their rows by one.

use super::{Column, Columns, From};
use crate::item_key::ItemKey;

impl Columns {
    /// The same for a table that knows its rows by this column: that is a field of the row, unless it was named. Without
    /// columns it is this one and result.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn with_row_key(&self, key: &str) -> Columns {
        let mut columns = self.columns.clone();
        let is_there = columns.iter().any(|column| column.name == key);
        if self.is_default && !is_there {
            columns.remove(0);
        }
        if !is_there {
            let name = key.to_owned();
            columns.insert(0, Column::new(name, From::Field));
        }
        Columns {
            columns,
            is_default: false,
            ..self.clone()
        }
    }

    /// The same columns of items that are known by this key: `key,result`, where nothing was typed.
    #[must_use]
    pub fn keyed_by(mut self, key: &ItemKey) -> Columns {
        self.is_keyed = true;
        if self.is_default {
            self.columns[0] = Column::new("key".into(), From::Key);
        }
        for column in &mut self.columns {
            // Of a field that is the key a name of our own means nothing else.
            if key.field() == Some(column.name.as_str()) && !self.is_default {
                column.from = From::Field;
            }
        }
        let is_key = |column: &Column| match column.from {
            From::Key => true,
            From::Field => key.field() == Some(column.name.as_str()),
            _ => false,
        };
        self.key = self.columns.iter().position(is_key);
        self
    }

    /// Whether items are known by keys.
    pub fn is_keyed(&self) -> bool {
        self.is_keyed
    }

    /// The column that tells one row of a table from another: `index`, or the one with the key.
    ///
    /// # Errors
    /// A sentence, where no column holds the key.
    pub fn identity(&self) -> Result<&str, String> {
        match (self.is_keyed, self.key) {
            (false, _) => Ok("index"),
            (true, Some(place)) => Ok(&self.columns[place].name),
            (true, None) => Err(
                "--columns lacks the key, by which a table knows its rows; add the field that --key names, or `key`".into(),
            ),
        }
    }
}
