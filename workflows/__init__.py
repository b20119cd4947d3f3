"""Where stages are put together: one function for each verb of the command line."""
