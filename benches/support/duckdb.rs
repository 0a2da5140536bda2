//! `DuckDB`, from `PyPI`, in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

/// What a program says; it must succeed.
pub fn done(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// A Python that knows `DuckDB`; it is installed below the folder where it is not yet.
pub fn python(folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("duckdb");
    let python = environment.join("bin/python");
    if !python.exists() {
        let make = ["-m", "venv"];
        done(Command::new("python3").args(make).arg(&environment))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "duckdb"];
    done(Command::new(&python).args(install))?;
    Ok(python)
}
