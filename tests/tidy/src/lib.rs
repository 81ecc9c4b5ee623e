//! Nothing: the tests beside it look at the repository. They need no dependency, so that they are built in a second.
