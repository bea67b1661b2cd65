//! What is kept of a lab when a scenario fails.
