//! `login` and `logout`: a user of the local Nacos is known to one gateway for a while, by a token that only this user of the machine can read.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;

use federation_answers::access::{LoginBody, SessionDocument, SessionEndedDocument};
use federation_answers::printable::printable;
use federation_document::text_file;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::args::{Global, Login};
use super::client::Client;
use super::exit::{Exit, Failure, Problem};
use super::output::{Format, Output};
use super::sessions::KeptSessions;

/// Largest file of a password in bytes.
const LARGEST_PASSWORD_BYTES: u64 = 2 << 10;

/// Logs a user in, and keeps or prints the token of the session.
pub(super) async fn login(args: &Login, global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let client = Client::unknown(&global.server, &global.credentials, &global.trust)?;
    let password = match &args.password_file {
        Some(file) => {
            let read = text_file::read_named(file, LARGEST_PASSWORD_BYTES);
            let text =
                read.map_err(|reason| Failure::Arguments(format!("no password in {}: {reason}", printable(file))))?;
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        }
        None => asked(&args.user)?,
    };
    let body = LoginBody { username: args.user.clone(), password, cookie: false };
    let session = client.post::<SessionDocument>("/v1/login", &[], &body).await?;
    let Some(token) = session.document.token.as_deref() else {
        return Err(client.not_a_gateway("the answer to a login has no token".to_owned()));
    };
    if args.print {
        match output.format {
            Format::Table => output.text(token)?,
            Format::Json => output.document(&session.as_it_came)?,
        }
        return Ok(Exit::Ok);
    }
    let file = KeptSessions::of(&global.credentials)?.keep(&global.server, token)?;
    let SessionDocument { identity, roles, .. } = &session.document;
    let roles = if roles.is_empty() { "no role".to_owned() } else { printable(&roles.join(", ")) };
    output.text(&format!("{}: {roles}\nThe session is kept in {}.", printable(identity), file.display()))?;
    Ok(Exit::Ok)
}

/// Ends the session that is kept for the gateway, there and here.
pub(super) async fn logout(global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let kept = KeptSessions::of(&global.credentials)?;
    let Some(file) = kept.file_of(&global.server) else {
        let detail = format!("no session is kept for {}", global.server);
        return Err(Problem::not_found("Nobody is logged in", detail));
    };
    let client = Client::showing(&global.server, &file, &global.credentials, &global.trust)?;
    let ended = client.post::<SessionEndedDocument>("/v1/logout", &[], &serde_json::json!({})).await;
    match ended {
        Ok(answer) => {
            kept.forget(&file)?;
            output.answer(&answer, |ended| format!("{} is logged out.", printable(&ended.identity)))?;
        }
        Err(Failure::Problem(problem)) if problem.status == 401 => {
            kept.forget(&file)?;
            output.text("The session was over already.")?;
        }
        Err(failure) => return Err(failure), // It may still be open: whoever asks again can end it.
    }
    Ok(Exit::Ok)
}

/// The password, asked for on the terminal itself, whatever standard input and output are.
fn asked(user: &str) -> Result<String, Failure> {
    let nobody = |reason: &dyn std::fmt::Display| {
        Failure::Arguments(format!("nobody can be asked for the password, name it by --password-file: {reason}"))
    };
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|error| nobody(&error))?;
    let _quiet = Quiet::on(terminal.try_clone()?).map_err(|error| nobody(&error))?;
    write!(terminal, "Password of {}: ", printable(user))?;
    let mut line = String::new();
    BufReader::new(&terminal).read_line(&mut line)?;
    writeln!(terminal)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn on(terminal: File) -> rustix::io::Result<Self> {
        let before = termios::tcgetattr(terminal.as_fd())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(terminal.as_fd(), OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.terminal.as_fd(), OptionalActions::Flush, &self.before);
    }
}
