//! Rows of a table or query as items: each a JSON object, in the order of a key where one is named.
//!
//! The key makes the input one that can be read again: a place in it is the key of the last row, and a later run reads on
//! after that, if as many rows come before it as then. The keys of the rows that were read ahead of the finished items are
//! compared with those that are there now; what else these rows hold may have changed, by the run itself at least.

use std::collections::VecDeque;

use inflight::{Fault, Place, Source};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::address::Address;
use super::columns;
use super::link::Opener;
use super::name::Name;
use super::pages::{self, Span};
use super::stream::{Line, Stream, failed};
use crate::cutter::{Content, Cutter, LINE_BYTES_MAX};
use crate::payload::Payload;

/// What is read, as typed: `postgres://…?table=T&key=K` or `?query=SELECT …&key=K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    address: Address,
    /// The query, without what ends it.
    sql: String,
    /// The table, where one is read as a whole.
    pub(super) table: Option<Name>,
    /// What of the address is shown after the database.
    shown: String,
    /// A column whose values are unique and order the rows.
    pub(super) key: Option<String>,
}

impl Selection {
    /// Reads an address. Opens nothing but the file of a query that is in one.
    ///
    /// Fails with a sentence that names the part at fault.
    pub(crate) fn parse(text: &str) -> Result<Selection, String> {
        let env = |name: &str| std::env::var(name).ok();
        let (address, parameters) = Address::parse(text, &["table", "query", "key"], env)?;
        let fail = |why: String| format!("input {address}: {why}");
        let value = |name: &str| {
            let found = parameters.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str())
        };
        let (sql, table, shown) = match (value("table"), value("query")) {
            (Some(table), None) => {
                let table = Name::new(table).map_err(fail)?;
                let sql = format!("SELECT * FROM {}", table.quoted);
                let shown = format!("?table={}", table.shown);
                (sql, Some(table), shown)
            }
            (None, Some(query)) => (query_of(query).map_err(fail)?, None, "?query".to_owned()),
            (None, None) => {
                return Err(fail(
                    "says nothing to read; add ?table=T or ?query=SELECT …, in quotes for the shell".into(),
                ));
            }
            (Some(_), Some(_)) => {
                return Err(fail("names a table and a query; say one of them".into()));
            }
        };
        Ok(Selection {
            sql,
            table,
            shown,
            key: value("key")
                .filter(|key| !key.is_empty())
                .map(str::to_owned),
            address,
        })
    }

    /// Whether a later run gets the same rows in the same order, and can go on among them.
    pub(crate) fn is_replayable(&self) -> bool {
        self.key.is_some()
    }

    /// What is read, as a line of text. Rows that come or go are seen by their place, not by this.
    pub(crate) fn fingerprint(&self) -> String {
        let hash = xxh3_64(self.sql.as_bytes());
        match &self.key {
            Some(key) => format!("rows={hash:016x} key={key}"),
            None => "stream".into(),
        }
    }

    /// Looks whether the query can be run and its key is one, and gets ready to read.
    ///
    /// Fails with what the server says of it.
    pub(crate) fn open(&self, content: Content) -> Result<Rows, Fault> {
        let opener = Opener::new(&self.address).map_err(Fault::permanent)?;
        let span = opener.alone(async |link| {
            let client = &link.client;
            let ask = async |sql: &str| {
                let answer = client.batch_execute(sql).await;
                answer.map_err(|cause| failed(&opener, &cause))
            };
            ask(pages::BEGIN).await?;
            let checked = columns::check(client, self).await;
            let checked = checked.map_err(|cause| failed(&opener, &cause))?;
            ask("ROLLBACK").await?;
            checked.map_err(|wrong| Fault::permanent(format!("{self}: {wrong}")))
        })?;
        Ok(Rows {
            cutter: Cutter::new(&self.to_string(), content, None),
            selection: self.clone(),
            opener,
            stream: None,
            lines: VecDeque::new(),
            at: Reached::default(),
            has_ended: self.key.is_some() && span.is_none(),
            span,
            fault: None,
        })
    }

    /// The rows, for SQL, under the name `q`.
    pub(super) fn from(&self) -> String {
        // On a line of its own, so that a comment at its end takes nothing with it.
        format!("FROM ({}\n) AS q", self.sql)
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.address, self.shown)
    }
}

/// A query as typed, or in the file that was named.
fn query_of(text: &str) -> Result<String, String> {
    let text = match text.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|cause| format!("cannot read the query in {path}: {cause}"))?,
        None => text.to_owned(),
    };
    // Editors put a byte-order mark at the beginning of a file.
    let text = text.trim_start_matches('\u{feff}');
    match text.trim().trim_end_matches(';').trim_end() {
        "" => Err("the query is empty".into()),
        query => Ok(query.to_owned()),
    }
}

/// How far reading has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reached {
    /// Rows before it.
    items: u64,
    /// A hash of their keys, each one's with that of all before it as seed; of rows without a key of all that they hold.
    hash: u64,
    /// The key of the last; empty at the beginning.
    key: String,
}

impl Reached {
    fn read(place: &Place) -> Option<Reached> {
        let (items, rest) = place.0.split_first_chunk()?;
        let (hash, key) = rest.split_first_chunk()?;
        Some(Reached {
            items: u64::from_le_bytes(*items),
            hash: u64::from_le_bytes(*hash),
            key: String::from_utf8(key.to_vec()).ok()?,
        })
    }

    fn to_place(&self) -> Place {
        let numbers = [self.items.to_le_bytes(), self.hash.to_le_bytes()].concat();
        Place([&numbers, self.key.as_bytes()].concat())
    }

    /// The key of the last row, if there is one.
    fn after(&self) -> Option<String> {
        (self.items > 0).then(|| self.key.clone())
    }

    /// Counts a row; says what is wrong with its key.
    fn pass(&mut self, line: &Line, key: Option<&str>) -> Result<(), Fault> {
        if let Some(name) = key {
            let Some(value) = &line.key else {
                return Err(Fault::permanent(format!(
                    "key {name} is NULL in row {}; leave such rows out, or name another key",
                    self.items + 1
                )));
            };
            if self.items > 0 && *value == self.key {
                return Err(Fault::permanent(format!(
                    "key {name} is not unique: `{value}` comes twice; name another key"
                )));
            }
            self.key.clone_from(value);
        }
        self.items += 1;
        let hashed = line.key.as_ref().unwrap_or(&line.json);
        self.hash = xxh3_64_with_seed(hashed.as_bytes(), self.hash);
        Ok(())
    }
}

/// The rows of a selection.
pub(crate) struct Rows {
    selection: Selection,
    opener: Opener,
    /// Which of its rows are read, where it has a key and any rows.
    span: Option<Span>,
    /// Begun with the first row.
    stream: Option<Stream>,
    /// Rows of the last portion that were not asked for yet.
    lines: VecDeque<Line>,
    at: Reached,
    has_ended: bool,
    /// Why reading ended, to be told after the items that came before.
    fault: Option<Fault>,
    cutter: Cutter,
}

impl Rows {
    /// The next row, from where reading stands.
    fn line(&mut self) -> Result<Option<Line>, Fault> {
        while self.lines.is_empty() && !self.has_ended {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                none => none.insert(Stream::begin(
                    &self.selection,
                    &self.opener,
                    self.span.as_ref(),
                    self.at.after(),
                )?),
            };
            match stream.next() {
                Some(portion) => self.lines.extend(portion?),
                None => self.has_ended = true,
            }
        }
        Ok(self.lines.pop_front())
    }

    /// Makes the next row an item; false at the end.
    fn step(&mut self, items: &mut Vec<Result<Payload, Fault>>) -> Result<bool, Fault> {
        let Some(line) = self.line()? else {
            return Ok(false);
        };
        self.at.pass(&line, self.selection.key.as_deref())?;
        match line.json.len() > LINE_BYTES_MAX {
            true => self.cutter.refuse(items),
            false => self.cutter.cut(line.json.as_bytes(), items),
        }
        Ok(true)
    }

    /// Begins anew at this place.
    fn go_to(&mut self, place: Reached) {
        self.stream = None;
        self.lines.clear();
        self.has_ended = self.selection.key.is_some() && self.span.is_none();
        (self.cutter.line, self.cutter.items) = (place.items, place.items);
        self.at = place;
    }

    fn read_place(&self, place: Option<&Place>) -> Result<Option<Reached>, Fault> {
        let read = |place| {
            Reached::read(place).ok_or_else(|| {
                Fault::permanent(format!(
                    "the journal knows no row of {}, but something else",
                    self.selection
                ))
            })
        };
        place.map(read).transpose()
    }

    /// Whether as many rows come up to this place as came then.
    fn check_count(&self, place: &Reached) -> Result<(), Fault> {
        let Some(key) = place.after() else {
            return Ok(());
        };
        let now = self.count_up_to(&key)?;
        match now == place.items {
            true => Ok(()),
            false => Err(Fault::permanent(format!(
                "{now} rows come up to {} `{key}` now, and {} came then: rows were added before it or deleted",
                self.selection.key.as_deref().unwrap_or_default(),
                place.items
            ))),
        }
    }

    /// Whether the rows between these places are what they were.
    fn check_between(&mut self, from: &Reached, to: &Reached) -> Result<(), Fault> {
        self.go_to(from.clone());
        while self.at.items < to.items {
            let Some(line) = self.line()? else {
                break;
            };
            self.at.pass(&line, self.selection.key.as_deref())?;
        }
        match self.at == *to {
            true => Ok(()),
            false => Err(Fault::permanent(format!(
                "rows {} to {} of {} are not what they were",
                from.items + 1,
                to.items,
                self.selection
            ))),
        }
    }

    /// How many rows come up to the one with this key, and with it.
    fn count_up_to(&self, key: &str) -> Result<u64, Fault> {
        let Some(span) = &self.span else {
            return Ok(0);
        };
        self.opener.alone(async |link| {
            let counted = span.count_up_to(&link.client, &self.selection, key).await;
            counted.map_err(|cause| failed(&self.opener, &cause))
        })
    }

    /// How many rows there are.
    fn count_all(&self) -> Result<u64, Fault> {
        self.opener.alone(async |link| {
            let counted = async {
                if let Some(span) = &self.span {
                    return span.count(&link.client, &self.selection).await;
                }
                let sql = format!("SELECT count(*) {}", self.selection.from());
                let row = link.client.query_typed_one(&sql, &[]).await?;
                Ok(row.get::<_, i64>(0).cast_unsigned())
            };
            counted.await.map_err(|cause| failed(&self.opener, &cause))
        })
    }
}

impl Source for Rows {
    type Item = Payload;

    fn read(&mut self, max: usize, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let before = items.len();
        while items.len() - before < max {
            // Only a portion that is used up makes the next row wait.
            if self.lines.is_empty() && items.len() > before {
                break;
            }
            match self.step(items) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) if items.len() == before => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(())
    }

    fn place(&mut self) -> Option<Place> {
        self.selection.is_replayable().then(|| self.at.to_place())
    }

    fn resume(&mut self, from: Option<&Place>, read_to: Option<&Place>) -> Result<(), Fault> {
        let (from, read_to) = (self.read_place(from)?, self.read_place(read_to)?);
        let from = from.unwrap_or_default();
        self.check_count(&from)?;
        if let Some(read_to) = read_to.filter(|read_to| read_to.items > from.items) {
            self.check_between(&from, &read_to)?;
        }
        self.go_to(from);
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        (self.has_ended && self.lines.is_empty()).then_some(0)
    }

    fn count_rest(&mut self) -> Option<u64> {
        if self.remaining().is_some() {
            return self.remaining();
        }
        let all = self.count_all().ok()?;
        Some(all.saturating_sub(self.at.items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Reached {
            items: 7,
            hash: u64::MAX,
            key: "é 1".into(),
        };
        assert_eq!(Reached::read(&place.to_place()), Some(place));
        let start = Reached::default();
        assert_eq!(Reached::read(&start.to_place()), Some(start));
        for bytes in [vec![], vec![1; 15], vec![0xff; 17]] {
            assert_eq!(Reached::read(&Place(bytes)), None);
        }
    }

    #[test]
    fn keys_are_neither_null_nor_twice() {
        let line = |key: Option<&str>| Line {
            json: "{}".into(),
            key: key.map(str::to_owned),
        };
        let mut at = Reached::default();
        at.pass(&line(Some("1")), Some("id")).unwrap();
        let twice = at.pass(&line(Some("1")), Some("id")).unwrap_err();
        assert!(twice.to_string().contains("not unique: `1`"), "{twice}");
        let null = at.pass(&line(None), Some("id")).unwrap_err();
        assert!(null.to_string().contains("NULL in row 2"), "{null}");
        at.pass(&line(None), None).unwrap();
        assert_eq!(at.items, 2);
    }

    #[test]
    fn addresses_say_what_is_read() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let parsed = Selection::parse(&format!("postgres://me@localhost/d{text}"));
            match (parsed, expected) {
                (Ok(selection), Ok(sql)) => assert_eq!(selection.sql, sql),
                (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        };
        check("?table=a.T", Ok("SELECT * FROM \"a\".\"T\""));
        check("?query=SELECT 1; &key=id", Ok("SELECT 1"));
        check("?query=SELECT%201%3B", Ok("SELECT 1"));
        check("", Err("says nothing to read"));
        check("?table=t&query=SELECT 1", Err("say one of them"));
        check("?query= ;", Err("the query is empty"));
        check("?query=file:/no/such/file", Err("/no/such/file"));
        check("?table=a b", Err("cannot be used"));
    }
}
