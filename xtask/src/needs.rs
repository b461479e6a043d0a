//! What a fresh Debian needs beside the Rust toolchain: the one place where packages are listed and installed.

use std::process::Command;

use crate::shell::{find, run, tell};

/// A program, and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// How it is called.
    pub(crate) command: &'static str,
    /// What installs it.
    pub(crate) package: &'static str,
}

/// To build and test: SQLite and the cryptography of TLS are C, workers are tested in the languages of their examples,
/// reports are opened in a browser, which needs a font, and tests start a Postgres of their own and a pooler before it.
pub(crate) const TEST: &[Need] = &[
    Need {
        command: "cc",
        package: "gcc libc6-dev",
    },
    Need {
        command: "python3",
        package: "python3",
    },
    Need {
        command: "node",
        package: "nodejs",
    },
    Need {
        command: "chromium",
        package: "chromium fonts-dejavu-core",
    },
    Need {
        command: "tinyproxy",
        package: "tinyproxy",
    },
    // What filters are compared with.
    Need {
        command: "jq",
        package: "jq",
    },
    POSTGRES,
    Need {
        command: "pgbouncer",
        package: "pgbouncer",
    },
];

/// The server itself lies in a folder of its version, which is on no path.
pub(crate) const POSTGRES: Need = Need {
    command: "pg_ctlcluster",
    package: "postgresql",
};

/// To measure wrk beside us.
pub(crate) const WRK: Need = Need {
    command: "wrk",
    package: "wrk",
};

/// To measure SQLite's own shell beside us.
pub(crate) const SQLITE: Need = Need {
    command: "sqlite3",
    package: "sqlite3",
};

/// To measure Python beside us. Debian has an interpreter without the module that makes environments, so that finding
/// a command would prove nothing.
pub(crate) const PYTHON_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Installs what is missing, when we may.
///
/// # Errors
/// As [`apt_install`].
pub(crate) fn install(needs: &[Need]) -> Result<(), String> {
    let packages = missing(needs, |command| find(command).is_some());
    if packages.is_empty() {
        return Ok(());
    }
    apt_install(&packages)
}

/// Installs Debian packages, when we may.
///
/// # Errors
/// A sentence that says what to install, when we are not root or there is no `apt-get`; or that it failed.
pub(crate) fn apt_install(packages: &[&str]) -> Result<(), String> {
    let list = packages.join(" ");
    if !is_root() || find("apt-get").is_none() {
        return Err(format!(
            "missing: install the Debian packages {list} (as root: apt-get install {list}), then run this again"
        ));
    }
    tell(&format!("installing {list}"));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let install = ["install", "--yes", "--no-install-recommends"];
    let arguments: Vec<&str> = install.iter().chain(packages).copied().collect();
    // The lists of packages may be fresh enough already.
    if run(&mut apt(&arguments)).is_ok() {
        return Ok(());
    }
    run(&mut apt(&["update"]))?;
    run(&mut apt(&arguments))
}

fn missing(needs: &[Need], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    needs
        .iter()
        .filter(|need| !is_there(need.command))
        .flat_map(|need| need.package.split(' '))
        .collect()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let needs = [TEST[0], WRK];
        assert_eq!(missing(&needs, |command| command == "cc"), ["wrk"]);
        assert_eq!(
            missing(&needs, |command| command == "wrk"),
            ["gcc", "libc6-dev"]
        );
        assert!(missing(&needs, |_| true).is_empty());
    }
}
