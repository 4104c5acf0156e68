//! The manual pages: one of the program, one of each subcommand.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, say};
use crate::error::Error;

/// What follows the flags on the program's own page, as roff.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
The target accepts connections from the asked side; for \fBfix\fR: the retest passed and the change was kept.
.TP
\fB1\fR
It does not, and the cause is named.
.TP
\fB2\fR
The command line or the input was wrong.
.TP
\fB3\fR
It does not, and the cause could not be told; the output says why.
.TP
\fB4\fR
Something broke in the program or on the host.
.PP
\fBcheck \-\-plugin\fR has the statuses of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
.SH ENVIRONMENT
.TP
\fBUNREFUSE_ROOT_BY\fR
Who asks whether a change may be made as root: \fBsudo\fR, \fBrun0\fR or \fBpkexec\fR. The first that can work by default.
.TP
\fBUNREFUSE_LOG\fR
What \fB\-\-log\fR writes, as a filter of the tracing crate (\fBunrefuse=debug\fR).
.TP
\fBNO_COLOR\fR
Without colour, whatever it is set to.
.TP
\fBXDG_STATE_HOME\fR
Recent targets are kept in \fIunrefuse/recent\fR below it (\fI~/.local/state\fR).
.SH FILES
.TP
\fI/var/lib/unrefuse\fR
What fixes changed on this host, with old and new values: what \fBundo\fR and \fBhistory\fR read.
.TP
\fI/etc/systemd/system/unrefuse\-recover.service\fR
While a change is not confirmed: puts it back in the next boot.
.SH "SEE ALSO"
.BR ss (8),
.BR systemctl (1),
.BR journalctl (1),
.BR nft (8),
.BR iptables (8)
"#;

/// The subcommands that have a page.
pub(super) fn list() -> String {
    let all = commands();
    let names: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
    names.join("\n") + "\n"
}

/// Prints the page of the program, or of a subcommand.
pub(super) fn page(name: Option<&str>) -> Result<u8, Error> {
    let all = commands();
    let mut page = Vec::new();
    let made = match name {
        None => Man::new(all).render(&mut page),
        Some(name) => {
            let Some(command) = all.find_subcommand(name) else {
                let hint = format!("there are: {}", list().trim_end().replace('\n', ", "));
                return Err(Error::input(format!("there is no subcommand `{name}`")).hint(hint));
            };
            Man::new(command.clone()).render(&mut page)
        }
    };
    made.map_err(|error| Error::broken("the manual page cannot be made").because(error))?;
    let more = if name.is_none() { MORE } else { "" };
    say(&format!("{}{more}", String::from_utf8_lossy(&page)))
}

fn commands() -> Command {
    let mut all = Cli::command();
    all.build();
    all
}
