//! The agent: supervisor, worker, link to the server, local socket, enrolment.
