//! The pictures that flags ask for: files that can be written, and what is drawn into them.

use crate::error::{Error, Result};
use crate::flags::pictures::PictureArgs;
use crate::keep::recording::Recording;
use crate::show::report::{html, markdown, svg, trace};
use crate::terminal::out_file::OutFile;

/// The pictures that were asked for, with files that can be written.
#[derive(Debug)]
pub(crate) struct Pictures {
    report: OutFile,
    svg: OutFile,
    trace: OutFile,
    markdown: OutFile,
}

impl Pictures {
    /// Tries every file; `json` goes elsewhere, and may go to standard output too.
    ///
    /// # Errors
    /// A usage error when one cannot be written, or two want standard output.
    pub(crate) fn open(args: &PictureArgs, json: Option<&OutFile>) -> Result<Pictures> {
        let pictures = Pictures {
            report: OutFile::open(args.report.as_deref())?,
            svg: OutFile::open(args.svg.as_deref())?,
            trace: OutFile::open(args.trace.as_deref())?,
            markdown: OutFile::open(args.markdown.as_deref())?,
        };
        pictures.check_stdout(json)?;
        Ok(pictures)
    }

    /// Whether standard output belongs to one of them.
    pub(super) fn want_stdout(&self) -> bool {
        self.all().into_iter().any(OutFile::is_stdout)
    }

    /// Standard output holds one thing, and then nothing else.
    ///
    /// # Errors
    /// A usage error when several want it.
    fn check_stdout(&self, json: Option<&OutFile>) -> Result<()> {
        let wanted = self.all().into_iter().chain(json);
        if wanted.filter(|file| file.is_stdout()).count() > 1 {
            return Err(Error::usage(
                "standard output can hold one of --json, --report, --svg, --trace and --markdown; give the others a file",
            ));
        }
        Ok(())
    }

    pub(super) fn are_wanted(&self) -> bool {
        !self.all().into_iter().all(OutFile::is_nowhere)
    }

    fn all(&self) -> [&OutFile; 4] {
        [&self.report, &self.svg, &self.trace, &self.markdown]
    }

    /// Draws and writes them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(self, recording: &Recording) -> Result<()> {
        if !self.report.is_nowhere() {
            self.report.write(html::page(recording)?.as_bytes())?;
        }
        if !self.svg.is_nowhere() {
            self.svg.write(svg::timelines(recording).as_bytes())?;
        }
        if !self.trace.is_nowhere() {
            self.trace.write(&trace::json(recording)?)?;
        }
        if !self.markdown.is_nowhere() {
            self.markdown
                .write(markdown::tables(recording).as_bytes())?;
        }
        Ok(())
    }
}
