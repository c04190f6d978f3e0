"""Alarms and dashboards of Amazon CloudWatch."""

from typing import ClassVar

from .handler import Call, Cloud, Handler, Naming, Put, Tagging, Where
from .shape import Field, Properties, Shape, from_aws, same, to_aws

_DIMENSIONS = Field(
    "Dimensions",
    encode=lambda pairs: [{"Name": name, "Value": value} for name, value in pairs.items()],
    decode=lambda items: {item["Name"]: item["Value"] for item in items} or None,
)
_METRIC = {**same("namespace", "metricName"), "dimensions": _DIMENSIONS}


def _actions(aws: str) -> Field:
    return Field(aws, decode=lambda arns: arns or None)


class MetricAlarm(Handler):
    """``aws:cloudwatch/metricAlarm:MetricAlarm``."""

    type = "aws:cloudwatch/metricAlarm:MetricAlarm"
    shape: ClassVar[Shape] = {
        "name": Field("AlarmName"),
        **same("actionsEnabled", "alarmDescription", "comparisonOperator", "datapointsToAlarm"),
        **same("evaluationPeriods", "extendedStatistic", "metricName", "namespace", "period"),
        **same("statistic", "threshold", "thresholdMetricId", "treatMissingData", "unit"),
        "alarmActions": _actions("AlarmActions"),
        "insufficientDataActions": _actions("InsufficientDataActions"),
        "okActions": _actions("OKActions"),
        "dimensions": _DIMENSIONS,
        "evaluateLowSampleCountPercentiles": Field("EvaluateLowSampleCountPercentile"),
        "metricQueries": Field(
            "Metrics",
            {
                **same("id", "accountId", "expression", "label", "period", "returnData"),
                "metric": Field(
                    "MetricStat",
                    encode=lambda metric: {
                        "Metric": to_aws(_METRIC, metric),
                        **to_aws(same("period", "stat", "unit"), metric),
                    },
                    decode=lambda stat: {
                        **from_aws(_METRIC, stat["Metric"]),
                        **from_aws(same("period", "stat", "unit"), stat),
                    },
                    of={**_METRIC, **same("period", "stat", "unit")},
                ),
            },
        ),
    }
    key = ("name",)
    replaces = frozenset({"name"})
    defaults: ClassVar[Properties] = {"actionsEnabled": True, "treatMissingData": "missing"}
    naming = Naming("name", 255)
    computed = frozenset({"evaluateLowSampleCountPercentiles"})
    tagging = Tagging("cloudwatch", "ResourceARN")
    id = "{name}"
    arn = "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(self.shape, inputs)
        if inputs.get("tags"):
            params["Tags"] = self.tagging.encode(inputs["tags"])
        return [Call("cloudwatch", "PutMetricAlarm", params)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        calls = []
        if changed - {"tags"}:  # the alarm is put as a whole; its tags are ignored by a later put
            calls.append(Call("cloudwatch", "PutMetricAlarm", to_aws(self.shape, new)))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("cloudwatch", "DeleteAlarms", {"AlarmNames": [old["name"]]})]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        answer = cloud.send(Call("cloudwatch", "DescribeAlarms", {"AlarmNames": [old["name"]]}))
        for alarm in answer["MetricAlarms"]:
            return {
                "treatMissingData": "missing",
                **from_aws(self.shape, alarm),
                "arn": alarm["AlarmArn"],
            }
        return None


class Dashboard(Put):
    """``aws:cloudwatch/dashboard:Dashboard``."""

    type = "aws:cloudwatch/dashboard:Dashboard"
    shape: ClassVar[Shape] = same("dashboardName", "dashboardBody")
    key = ("dashboardName",)
    replaces = frozenset({"dashboardName"})
    naming = None
    id = "{dashboardName}"

    def preview(self, where: Where, inputs: Properties) -> Properties:
        arn = (
            f"arn:{where.partition}:cloudwatch::{where.account}:dashboard/{inputs['dashboardName']}"
        )
        return super().preview(where, inputs) | {"dashboardArn": arn}

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [Call("cloudwatch", "PutDashboard", to_aws(self.shape, inputs))]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("cloudwatch", "DeleteDashboards", {"DashboardNames": [old["dashboardName"]]})]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = cloud.send(Call("cloudwatch", "GetDashboard", self.named(old)))
        return from_aws(self.shape, answer) | {"dashboardArn": answer["DashboardArn"]}
