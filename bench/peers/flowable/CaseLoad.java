import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.flowable.cmmn.api.CmmnRuntimeService;
import org.flowable.cmmn.api.CmmnTaskService;
import org.flowable.cmmn.engine.CmmnEngine;
import org.flowable.cmmn.engine.CmmnEngineConfiguration;

/**
 * A peer of the intake: a case management engine (CMMN) on PostgreSQL, with its history, takes cases through ten steps each,
 * from two threads.
 *
 * <p>Arguments: PostgreSQL's JDBC address, its user, the number of cases. Prints the number of steps and the seconds.
 */
public final class CaseLoad {
    private static final int STEPS = 10; // the start of a case, and the completion of each of its tasks
    private static final int THREADS = 2;
    private static final int WARM_UP = 50;

    private CaseLoad() {}

    public static void main(String[] arguments) throws Exception {
        CmmnEngineConfiguration settings = CmmnEngineConfiguration.createStandaloneCmmnEngineConfiguration();
        settings.setJdbcUrl(arguments[0]);
        settings.setJdbcUsername(arguments[1]);
        settings.setJdbcPassword("");
        settings.setJdbcDriver("org.postgresql.Driver");
        settings.setDatabaseSchemaUpdate("true");
        CmmnEngine engine = settings.buildCmmnEngine();
        engine.getCmmnRepositoryService()
                .createDeployment()
                .addBytes("report.cmmn", model().getBytes(StandardCharsets.UTF_8))
                .deploy();
        work(engine, WARM_UP);
        int cases = Integer.parseInt(arguments[2]);
        long started = System.nanoTime();
        work(engine, cases);
        double seconds = (System.nanoTime() - started) / 1e9;
        long finished = engine.getCmmnHistoryService().createHistoricCaseInstanceQuery().finished().count();
        if (finished != cases + WARM_UP) {
            throw new IllegalStateException(finished + " cases have finished");
        }
        engine.close();
        System.out.printf("%d\t%.3f%n", cases * STEPS, seconds);
    }

    private static void work(CmmnEngine engine, int cases) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        List<Future<?>> working = new ArrayList<>();
        for (int thread = 0; thread < THREADS; thread++) {
            int share = cases / THREADS + (thread < cases % THREADS ? 1 : 0);
            working.add(threads.submit(() -> {
                for (int number = 0; number < share; number++) {
                    one(engine.getCmmnRuntimeService(), engine.getCmmnTaskService());
                }
            }));
        }
        for (Future<?> one : working) {
            one.get();
        }
        threads.shutdown();
    }

    private static void one(CmmnRuntimeService runtime, CmmnTaskService tasks) {
        String id = runtime.createCaseInstanceBuilder().caseDefinitionKey("report").start().getId();
        for (int step = 1; step < STEPS; step++) {
            tasks.complete(tasks.createTaskQuery().caseInstanceId(id).singleResult().getId());
        }
    }

    /** Nine tasks, each of which becomes active when the one before it is completed. */
    private static String model() {
        StringBuilder items = new StringBuilder();
        StringBuilder sentries = new StringBuilder();
        StringBuilder tasks = new StringBuilder();
        for (int step = 1; step < STEPS; step++) {
            tasks.append("<humanTask id=\"task%d\" name=\"Step %d\"/>".formatted(step, step));
            items.append("<planItem id=\"item%d\" definitionRef=\"task%d\">".formatted(step, step));
            if (step > 1) {
                items.append("<entryCriterion sentryRef=\"after%d\"/>".formatted(step - 1));
                sentries.append(("<sentry id=\"after%d\"><planItemOnPart sourceRef=\"item%d\">"
                                + "<standardEvent>complete</standardEvent></planItemOnPart></sentry>")
                        .formatted(step - 1, step - 1));
            }
            items.append("</planItem>");
        }
        return "<definitions xmlns=\"http://www.omg.org/spec/CMMN/20151109/MODEL\" targetNamespace=\"casetrail\">"
                + "<case id=\"report\"><casePlanModel id=\"plan\">" + items + sentries + tasks
                + "</casePlanModel></case></definitions>";
    }
}
