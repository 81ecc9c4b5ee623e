//! The Nacos client against everything that calls itself Nacos.
