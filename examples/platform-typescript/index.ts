// The loop of one team. It trains with a SageMaker pipeline of its own; the platform puts the rest around it.

import * as perennial from "@pulumi/perennial-mlops";
import * as pulumi from "@pulumi/pulumi";

const team = "churn";
const pipeline = "churn-weekly";

const image = new pulumi.Config().require("image");
const keep = pulumi.getStack() === "prod";
const tags = { owner: "platform", team };

const data = new perennial.DataStore(team, { protect: keep, forceDestroy: !keep, tags });
const registry = new perennial.ModelRegistry(team, { protect: keep, tags });
const endpoint = new perennial.ModelEndpoint(team, {
    artifactBucketName: data.artifactBucketName,
    modelPackageGroupName: registry.groupName,
    image,
    tags,
});
const monitor = new perennial.DriftMonitor(team, {
    artifactBucketName: data.artifactBucketName,
    endpointName: endpoint.endpointName,
    modelPackageGroupName: registry.groupName,
    minSamples: 1000,
    tags,
});
const retraining = new perennial.RetrainingTriggers(team, {
    dataBucketName: data.dataBucketName,
    artifactBucketName: data.artifactBucketName,
    pipelineName: pipeline,
    alarmNames: [monitor.alarmName],
    tags,
});

export const dataBucket = data.dataBucketName;
export const endpointName = endpoint.endpointName;
export const driftAlarm = monitor.alarmName;
export const deadLetters = retraining.deadLetterQueueUrl;
