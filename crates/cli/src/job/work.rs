//! The job itself: what is done with each item, everything parsed and checked, nothing opened.

use std::fmt::Display;
use std::sync::Arc;

use inflight_connectors::{
    Abilities, Address, Called, Callee, Columns, Format, Input, ItemKey, Scheme,
};

use crate::error::{Error, Result};
use crate::flags::job::{self as flags, LAB};
use crate::flags::pace::PaceArgs;
use crate::flags::secrets::public;
use crate::flags::setting::Setting;
use crate::flags::typed::Typed;
use crate::job::computation::{Computation, Treatment};
use crate::job::fits;
use crate::job::given::Given;
use crate::job::identity::job_id;
use crate::job::settings::{Items, Settings};
use crate::job::target::Target;

/// What is done with each item.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) input: Input,
    /// What the input is packed or written in, where it is no plain text.
    pub(crate) packed: Option<&'static str>,
    /// Whether items are known by keys.
    pub(crate) is_keyed: bool,
    /// Whether items are left out whose keys are there where it saves.
    pub(crate) skips_existing: bool,
    /// What items are ordered by, if those of one value go one after the other; and whether a dead one halts its value.
    pub(crate) order: Option<(ItemKey, bool)>,
    pub(crate) computation: Computation,
    pub(crate) fetch: Option<Target>,
    pub(crate) save: Target,
    /// What the place where it saves can do.
    pub(crate) abilities: Abilities,
    pub(crate) settings: Settings,
    /// Every setting of the command.
    pub(crate) typed: Vec<Setting>,
    /// The sink as typed, without its secrets.
    pub(crate) save_shown: String,
    /// The same of where it fetches.
    pub(crate) fetch_shown: Option<String>,
}

/// How workers are treated, as the flags have it.
fn treatment(pace: &PaceArgs) -> Treatment {
    Treatment {
        timeout: pace.compute_timeout,
        recycle: pace.worker_recycle,
    }
}

impl Work {
    /// Lowers what was typed of the job itself; a program around us may give code in place of some words.
    ///
    /// # Errors
    /// A usage error: a sentence that names what is wrong and what is valid.
    pub(crate) fn new(typed: Typed<'_>, given: &Given) -> Result<Work> {
        let abilities = match &given.save {
            Some(_) => Scheme::Called.abilities(),
            None => {
                let sink = Address::parse(typed.save, &[LAB]).map_err(usage("--save"))?;
                sink.abilities()
            }
        };
        fits::check(&typed, abilities)?;
        let Typed {
            input,
            compute,
            save,
            job,
            pace,
            settings,
        } = typed;
        let format = job.format.map(|format| match format {
            flags::Format::Text => Format::Text,
            flags::Format::Jsonl => Format::Jsonl,
            flags::Format::Csv => Format::Csv,
            flags::Format::Tsv => Format::Tsv,
            flags::Format::Json => Format::Json,
        });
        let fetch = job.fetch.as_deref();
        let mut input = match &given.source {
            Some(_) if format.is_some() || job.field.is_some() => {
                return Err(Error::usage(
                    "--format and --field are about files; the items of the program are what they are",
                ));
            }
            Some(source) => Input::supplied(Arc::clone(source)),
            None => Input::parse(input, format, job.field.clone()).map_err(Error::usage)?,
        };
        if job.no_header {
            input = input.without_header().map_err(usage("--no-header"))?;
        }
        let packed = input.look().map_err(Error::usage)?;
        let key = job.key.as_deref().map(ItemKey::parse).transpose();
        let key = key.map_err(usage("--key"))?;
        if let Some(key) = &key {
            input = input.keyed_by(key.clone()).map_err(usage("--key"))?;
        }
        let order = job.order_by.as_deref().map(ItemKey::parse).transpose();
        let order = order.map_err(usage("--order-by"))?;
        if let Some(order) = &order {
            input.check_key(order).map_err(usage("--order-by"))?;
        }
        let computation = match &given.compute {
            Some(code) => Computation::Given(compute.to_owned(), code.clone(), treatment(pace)),
            None => Computation::parse(compute, treatment(pace)).map_err(usage("--compute"))?,
        };
        let items = Items {
            fields: input.fields(),
            is_gone: fetch.is_some() || !computation.keeps_items(),
        };
        // An input that cannot be read is told where it is opened.
        let fields = input.names().ok().flatten();
        if let (Computation::Jq(jq), Some(fields)) = (&computation, &fields) {
            let checked = jq.check_fields(fields, fetch.is_none());
            checked.map_err(usage("--compute"))?;
        }
        let mut columns = columns(job, fields.as_deref(), !items.is_gone)?;
        if let Some(key) = &key {
            columns = columns.keyed_by(key);
        }
        Ok(Work {
            fetch: fetch
                .map(|fetch| target(fetch, given.fetch.as_ref()))
                .transpose()
                .map_err(usage("--fetch"))?,
            abilities,
            save: target(save, given.save.as_ref()).map_err(usage("--save"))?,
            settings: Settings::new(job, job_id(&settings), items, columns)?.counting(pace),
            is_keyed: key.is_some(),
            skips_existing: job.skip_existing,
            order: order.map(|value| (value, job.halt_key)),
            input,
            packed,
            computation,
            typed: settings,
            save_shown: public(save),
            fetch_shown: fetch.map(public),
        })
    }
}

/// An address as typed, or the code that stands in its place.
fn target(text: &str, given: Option<&Arc<dyn Callee>>) -> Result<Target> {
    match given {
        Some(code) => Ok(Target::Called(
            text.to_owned(),
            Called::new(Arc::clone(code)),
        )),
        None => Target::parse(text),
    }
}

/// What is saved of each item; of items with these fields, where they are known, and which are themselves saved or not.
fn columns(job: &flags::JobArgs, fields: Option<&[String]>, are_saved: bool) -> Result<Columns> {
    let Some(text) = &job.columns else {
        return Ok(Columns::default());
    };
    let columns = Columns::parse(text).map_err(usage("--columns"))?;
    if let Some(fields) = fields {
        let checked = columns.check(fields, are_saved);
        checked.map_err(usage("--columns"))?;
    }
    Ok(columns)
}

/// Makes a sentence about the value of this flag a usage error.
pub(crate) fn usage<E: Display>(flag: &'static str) -> impl Fn(E) -> Error {
    move |sentence| Error::usage(format_args!("{flag}: {sentence}"))
}
