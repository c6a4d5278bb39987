//! `tarn sql`: statements from a prompt, the command line, a file or standard input, run through Athena's API.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use super::work::interruptible;
use crate::client::Client;
use crate::client::athena::{Finished, Session};
use crate::output::{Format, Out, Rows, is_watched, shown};
use crate::settings::variable;
use crate::{CliError, Connection, Variables};

/// Longest text of statements: the API takes 262,144 bytes of one.
const TEXT_SIZE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const HISTORY_LINES_MAX: usize = 10_000;

/// Arguments of `tarn sql`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Run these statements and end.
    #[arg(long, short, value_name = "SQL", conflicts_with = "file")]
    command: Option<String>,
    /// Run the statements in this file and end; - is standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The database of names that give none.
    #[arg(long, short)]
    database: Option<String>,
    /// The workgroup.
    #[arg(long)]
    work_group: Option<String>,
    /// Where result files go, if not where the workgroup says.
    #[arg(long, value_name = "S3URI")]
    output_location: Option<String>,
    /// How to write answers.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

const HELP: &str = "\
  SELECT ...;       a statement ends with a semicolon
  \\l                databases
  \\dt [DATABASE]    tables
  \\d TABLE          columns of a table
  \\c DATABASE       use a database
  \\o FORMAT         table, json or csv
  \\i FILE           run the statements of a file
  \\timing           tell times, or do not
  \\q                end (also Ctrl-D; Ctrl-C stops the running query)";

/// What stands at the end of a text of statements.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    #[default]
    Plain,
    Text,
    Name,
    Backquoted,
    LineComment,
    BlockComment,
}

/// Splits at semicolons that are not within a text, a name or a comment. The last piece is what no semicolon ends.
fn split(text: &str) -> (Vec<String>, String) {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut within = Within::Plain;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        match (within, character) {
            (Within::Plain, ';') => {
                statements.push(std::mem::take(&mut statement));
                continue;
            }
            (Within::Plain, '\'') => within = Within::Text,
            (Within::Plain, '"') => within = Within::Name,
            (Within::Plain, '`') => within = Within::Backquoted,
            (Within::Plain, '-') if next == Some('-') => within = Within::LineComment,
            (Within::Plain, '/') if next == Some('*') => {
                within = Within::BlockComment;
                // `/*/` does not end what it begins.
                statement.push(character);
                statement.extend(characters.next());
                continue;
            }
            (Within::Text, '\'') | (Within::Name, '"') | (Within::Backquoted, '`') | (Within::LineComment, '\n') => {
                within = Within::Plain;
            }
            (Within::BlockComment, '*') if next == Some('/') => {
                within = Within::Plain;
                statement.push(character);
                statement.extend(characters.next());
                continue;
            }
            _ => {}
        }
        statement.push(character);
    }
    (statements, statement)
}

/// Whether a statement has something besides comments and space.
fn says_something(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, rest)| rest)
        } else {
            return !rest.is_empty();
        }
        .trim_start();
    }
}

/// The database that `USE name` names.
fn used(statement: &str) -> Option<String> {
    let mut words = statement.split_whitespace();
    let (first, name, rest) = (words.next()?, words.next()?, words.next());
    (first.eq_ignore_ascii_case("use") && rest.is_none()).then(|| name.trim_matches(['"', '`']).to_owned())
}

struct Shell<'r> {
    client: Client,
    session: Session,
    format: Format,
    timing: bool,
    runtime: &'r Runtime,
}

fn read_text(path: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(TEXT_SIZE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TEXT_SIZE_BYTES_MAX + 1).read_to_string(&mut text))
    };
    read.map_err(CliError::local("reading", path))?;
    if text.len() as u64 > TEXT_SIZE_BYTES_MAX {
        return Err(CliError::failed(format!("{} is longer than {TEXT_SIZE_BYTES_MAX} bytes", path.display())));
    }
    Ok(text)
}

pub(crate) fn run(
    arguments: Arguments,
    variables: &Variables,
    runtime: &Runtime,
    out: &mut Out,
) -> Result<(), CliError> {
    let client = Client::connect(&arguments.connection, variables)?;
    let session = Session {
        database: arguments.database,
        work_group: arguments.work_group,
        output_location: arguments.output_location,
    };
    let mut shell = Shell { client, session, format: arguments.output, timing: is_watched(), runtime };
    match (arguments.command, arguments.file) {
        (Some(text), _) => shell.run_all(&text, out),
        (None, Some(path)) => shell.run_all(&read_text(&path)?, out),
        (None, None) if !std::io::stdin().is_terminal() => shell.run_all(&read_text(Path::new("-"))?, out),
        (None, None) => shell.prompt(variables, out),
    }
}

impl Shell<'_> {
    /// All statements of `text`; the first that fails is the last.
    fn run_all(&mut self, text: &str, out: &mut Out) -> Result<(), CliError> {
        let (mut statements, last) = split(text);
        statements.push(last);
        for statement in statements.iter().filter(|statement| says_something(statement)) {
            self.run_one(statement.trim(), out)?;
        }
        Ok(())
    }

    fn run_one(&mut self, statement: &str, out: &mut Out) -> Result<(), CliError> {
        if let Some(database) = used(statement) {
            self.session.database = Some(database);
            return Ok(());
        }
        let finished = self.runtime.block_on(self.execute(statement, out))?;
        out.flush()?;
        if self.timing {
            let Finished { id, time_ms, scanned_bytes } = finished;
            eprintln!("{time_ms} ms, {scanned_bytes} bytes read, execution {id}");
        }
        Ok(())
    }

    async fn execute(&self, statement: &str, out: &mut Out) -> Result<Finished, CliError> {
        let waiting = if is_watched() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            waiting.set_style(style);
        }
        waiting.set_message("Ctrl-C stops the query");
        waiting.enable_steady_tick(Duration::from_millis(200));
        // Whoever stops a query while it is being started wants it stopped all the same: its id is waited for.
        let mut start = pin!(self.client.start_query(&self.session, statement));
        let (id, is_interrupted) = tokio::select! {
            started = &mut start => (started?, false),
            _ = tokio::signal::ctrl_c() => (start.await?, true),
        };
        let ended = match is_interrupted {
            true => Err(CliError::Interrupted),
            false => interruptible(self.client.await_query(&id)).await,
        };
        waiting.finish_and_clear();
        if matches!(ended, Err(CliError::Interrupted)) {
            self.client.stop_query(&id).await?;
            return Err(CliError::Interrupted);
        }
        let finished = ended?;
        interruptible(self.write(&finished, out)).await?;
        Ok(finished)
    }

    async fn write(&self, finished: &Finished, out: &mut Out) -> Result<(), CliError> {
        let mut page = self.client.query_results(&finished.id, None).await?;
        let columns = page.columns.clone();
        // A SELECT's first row is its header; a DDL statement's is not.
        let is_header = page.rows.first().is_some_and(|first| {
            first.len() == columns.len()
                && first.iter().zip(&columns).all(|(cell, column)| cell.as_deref() == Some(column.name.as_str()))
        });
        if is_header {
            page.rows.remove(0);
        }
        if columns.is_empty() {
            if let Some(count) = page.update_count {
                eprintln!("{count} rows written");
            }
            return Ok(());
        }
        let mut rows = Rows::new(out, self.format, columns)?;
        loop {
            for row in page.rows {
                rows.push(row)?;
            }
            let Some(token) = page.token else { break };
            page = self.client.query_results(&finished.id, Some(&token)).await?;
        }
        let count = rows.finish()?;
        if self.timing {
            eprintln!("{count} rows");
        }
        Ok(())
    }

    fn prompt(&mut self, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
        let broken = |error: ReadlineError| CliError::failed(format!("the prompt: {error}"));
        let config = rustyline::Config::builder()
            .max_history_size(HISTORY_LINES_MAX)
            .map_err(broken)?
            .auto_add_history(false)
            .build();
        let mut editor = DefaultEditor::with_config(config).map_err(broken)?;
        let history = history_file(variables);
        if let Some(path) = &history {
            // The first time there is none.
            let _ = editor.load_history(path);
        }
        eprintln!("{} as {}; \\? helps", self.client.settings().endpoint, self.who());
        let mut text = String::new();
        loop {
            let name = self.session.database.as_deref().unwrap_or("tarn");
            let prompt =
                if text.trim().is_empty() { format!("{name}> ") } else { format!("{:>1$}> ", "-", name.len()) };
            match editor.readline(&prompt) {
                Ok(line) if text.trim().is_empty() && line.trim_start().starts_with('\\') => {
                    let _ = editor.add_history_entry(line.trim());
                    let ended = self.meta(line.trim(), out);
                    if !told(ended) {
                        break;
                    }
                }
                Ok(line) => {
                    text.push_str(&line);
                    text.push('\n');
                    let (statements, rest) = split(&text);
                    if statements.is_empty() {
                        continue;
                    }
                    let _ = editor.add_history_entry(text.trim());
                    text = if says_something(&rest) { rest } else { String::new() };
                    for statement in statements.iter().filter(|statement| says_something(statement)) {
                        let ended = self.run_one(statement.trim(), out).map(|()| true);
                        told(ended);
                    }
                }
                Err(ReadlineError::Interrupted) => text.clear(),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(broken(error)),
            }
            if let Some(path) = &history {
                // A history that cannot be kept is no reason to stop.
                let _ = editor.save_history(path);
            }
        }
        Ok(())
    }

    fn who(&self) -> String {
        self.client.settings().credentials.as_ref().map_or("nobody".to_owned(), |found| found.access_key_id.clone())
    }

    /// A command of the prompt's own; says whether to go on.
    fn meta(&mut self, line: &str, out: &mut Out) -> Result<bool, CliError> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let argument = words.next();
        let named = || argument.ok_or_else(|| CliError::usage(format!("{name} wants a name; \\? helps")));
        match name {
            "\\q" => return Ok(false),
            "\\?" | "\\h" => eprintln!("{HELP}"),
            "\\l" => self.run_one("SHOW DATABASES", out)?,
            "\\dt" => match argument.map(str::to_owned).or_else(|| self.session.database.clone()) {
                Some(database) => self.run_one(&format!("SHOW TABLES IN `{}`", database.replace('`', "``")), out)?,
                None => return Err(CliError::usage("\\dt wants a database, or \\c DATABASE before")),
            },
            "\\d" => self.run_one(&format!("DESCRIBE {}", named()?), out)?,
            "\\c" | "\\use" => self.session.database = Some(named()?.to_owned()),
            "\\i" => self.run_all(&read_text(Path::new(named()?))?, out)?,
            "\\timing" => {
                self.timing = !self.timing;
                eprintln!("times are {}told", if self.timing { "" } else { "not " });
            }
            "\\o" => {
                self.format = clap::ValueEnum::from_str(named()?, true)
                    .map_err(|_| CliError::usage("\\o wants table, json or csv"))?;
            }
            other => return Err(CliError::usage(format!("there is no {other}; \\? helps"))),
        }
        Ok(true)
    }
}

/// Tells an error; says whether to go on.
fn told(ended: Result<bool, CliError>) -> bool {
    match ended {
        Ok(goes_on) => goes_on,
        Err(error) => {
            eprintln!("tarn: {}", shown(&error.to_string()));
            true
        }
    }
}

/// `$XDG_STATE_HOME/tarn/sql_history`, its folder made.
fn history_file(variables: &Variables) -> Option<PathBuf> {
    let state = variable(variables, "XDG_STATE_HOME").map(PathBuf::from);
    let folder = state.or_else(|| Some(PathBuf::from(variable(variables, "HOME")?).join(".local/state")))?.join("tarn");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("sql_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_of_their_own() {
        let check = |text: &str, statements: &[&str], rest: &str| {
            let (found, left) = split(text);
            assert_eq!(
                (found.iter().map(String::as_str).collect::<Vec<_>>(), left.as_str()),
                (statements.to_vec(), rest)
            );
        };
        check("SELECT 1", &[], "SELECT 1");
        check("a;b;", &["a", "b"], "");
        check("SELECT ';', \"x;y\", `z;`; b", &["SELECT ';', \"x;y\", `z;`"], " b");
        check("SELECT 'it''s;'; b", &["SELECT 'it''s;'"], " b");
        check("-- a;\nb; c", &["-- a;\nb"], " c");
        check("/* a; */ b; c", &["/* a; */ b"], " c");
        check("/*/ ; */ b;", &["/*/ ; */ b"], "");
        check("a - b; c / d;", &["a - b", " c / d"], "");
    }

    #[test]
    fn comments_say_nothing() {
        let check = |text: &str, expected: bool| assert_eq!(says_something(text), expected, "{text}");
        check("", false);
        check(" -- x", false);
        check("/* x */ -- y\n ", false);
        check("/* x */ SELECT", true);
        check("-- x\nSELECT", true);
    }

    #[test]
    fn use_names_a_database() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(used(text).as_deref(), expected, "{text}");
        check("use raw", Some("raw"));
        check("USE `raw`", Some("raw"));
        check("USE raw now", None);
        check("SELECT 1", None);
    }
}
