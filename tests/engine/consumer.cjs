// Runs programs under the engine that is on PATH, one after the other: `node consumer.cjs OPERATION PROGRAM...`.
// Prints a list of what came of each: { changes, outputs, error }, error being the first that the engine reports.

const auto = require("@pulumi/pulumi/automation");

async function run(operation, file) {
    const came = { changes: {}, outputs: {}, error: null };
    const onEvent = ({ diagnosticEvent }) => {
        if (diagnosticEvent?.severity === "error") {
            came.error ??= diagnosticEvent.message.trim();
        }
    };
    const program = async () => require(file);
    const names = { stackName: process.env.STACK, projectName: process.env.PROJECT };
    const stack = await auto.LocalWorkspace.createOrSelectStack({ ...names, program });
    for (const [key, value] of Object.entries(JSON.parse(process.env.SETTINGS))) {
        await stack.setConfig(key, { value });
    }
    try {
        const result = await stack[operation]({ onEvent });
        came.changes = result.changeSummary ?? result.summary.resourceChanges;
        for (const [name, { value }] of Object.entries(result.outputs ?? {})) {
            came.outputs[name] = value;
        }
    } catch (failure) {
        came.error ??= String(failure);
    }
    return came;
}

async function main([operation, ...files]) {
    const all = [];
    for (const file of files) {
        all.push(await run(operation, file));
    }
    console.log(JSON.stringify(all));
}

main(process.argv.slice(2));
