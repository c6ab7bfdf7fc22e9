//! Hostile repositories, names, stubs and databases.
