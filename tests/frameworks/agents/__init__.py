"""One module for each framework: `run(page)` asks once, with the two tools, and returns a `Seen`.

In: the names that the code of the framework's page has defined. The agents are the framework's plainest ones that stream; where
it has none, a loop over what its model class returns.
"""
