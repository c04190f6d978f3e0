"""What runs in AWS Lambda, and what the pipeline's steps share with it.

Pure cores (`drift`, `capture`, `failure`, `retrain_world`, `retrain_decision`, `deploy_decision`),
their storage in S3 (`document`, `ledger`, `orders`, `retrain_state`, `snapshot`) and thin handlers
(`retrain_controller`, `deploy_controller`, `drift_monitor`, `registry_teardown`). Standard library
and boto3 only, so that the folder is a Lambda package as it stands.
"""
