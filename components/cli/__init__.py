"""The command line `perennial`: it looks at a loop, and tells its controllers what people want.

It knows a loop by what the loop has written into its artifact bucket, and imports no Pulumi.
"""
