"""Codes of the field, each a closed vocabulary: what is not listed here cannot be recorded.

Sources: FBI, *National Incident-Based Reporting System User Manual* (offence codes, exceptional clearance: data element
4); Missouri Revised Statutes chapters 210, 566 and 568. The members' values are what is stored on the log: add members,
never change or remove one.
"""

from enum import StrEnum


class Offence(StrEnum):
    """Offences by NIBRS code; the comment beside each is the field's name of it."""

    RAPE = "11A"
    SODOMY = "11B"
    SEXUAL_ASSAULT_WITH_OBJECT = "11C"
    FONDLING = "11D"  # child molestation
    AGGRAVATED_ASSAULT = "13A"
    SIMPLE_ASSAULT = "13B"
    INTIMIDATION = "13C"
    INCEST = "36A"
    STATUTORY_RAPE = "36B"
    COMMERCIAL_SEX_ACTS = "64A"  # human trafficking
    INVOLUNTARY_SERVITUDE = "64B"  # human trafficking
    FAMILY_NONVIOLENT = "90F"  # neglect, endangerment, abuse without violence
    OTHER = "90Z"
    KIDNAPPING = "100"
    PORNOGRAPHY = "370"


SEXUAL_OFFENCES = frozenset(map(Offence, ("11A", "11B", "11C", "11D", "36A", "36B", "64A", "370")))


class Clearance(StrEnum):
    """Cleared exceptionally (NIBRS data element 4). An administrative closing is not a clearance."""

    DEATH_OF_OFFENDER = "A"
    PROSECUTION_DECLINED = "B"
    IN_CUSTODY_ELSEWHERE = "C"
    VICTIM_REFUSED = "D"
    JUVENILE_NO_CUSTODY = "E"
    NOT_APPLICABLE = "N"


class Disposition(StrEnum):
    """How a case ends."""

    CLEARED_BY_ARREST = "cleared_by_arrest"
    CLEARED_EXCEPTIONALLY = "cleared_exceptionally"
    UNFOUNDED = "unfounded"
    REFERRED_TO_PROSECUTOR = "referred_to_prosecutor"
    DECLINED_BY_PROSECUTOR = "declined_by_prosecutor"
    TRANSFERRED = "transferred"
    INACTIVATED = "inactivated"  # no workable leads
    ADMINISTRATIVELY_CLOSED = "administratively_closed"
    SUBSTANTIATED = "substantiated"  # child protective services
    UNSUBSTANTIATED = "unsubstantiated"  # child protective services


class AgencyKind(StrEnum):
    """What an agency is to the multidisciplinary team."""

    LAW_ENFORCEMENT = "law_enforcement"
    CHILD_PROTECTIVE_SERVICES = "child_protective_services"
    PROSECUTION = "prosecution"
    MEDICAL = "medical"
    MENTAL_HEALTH = "mental_health"
    VICTIM_ADVOCACY = "victim_advocacy"
    CHILD_ADVOCACY_CENTER = "child_advocacy_center"
    HOTLINE = "hotline"
    SCHOOL = "school"
    OVERSIGHT = "oversight"


class Role(StrEnum):
    """In what role somebody acts."""

    REPORTER = "reporter"
    INTAKE = "intake"
    INVESTIGATOR = "investigator"
    SUPERVISOR = "supervisor"
    COMMANDER = "commander"
    PARTNER = "partner"
    REGISTRAR = "registrar"
    AUDITOR = "auditor"
    SYSTEM = "system"


class Channel(StrEnum):
    """How a report reached the unit."""

    HOTLINE = "hotline"
    PHONE = "phone"
    IN_PERSON = "in_person"
    OFFICER = "officer"
    ONLINE = "online"
    PARTNER_AGENCY = "partner_agency"
    COURT = "court"
    OTHER = "other"


class ReporterKind(StrEnum):
    """Who reported. Mandated reporters: RSMo 210.115."""

    MANDATED_REPORTER = "mandated_reporter"
    CHILD = "child"
    FAMILY = "family"
    PUBLIC = "public"
    AGENCY = "agency"
    ANONYMOUS = "anonymous"


class ScreeningReason(StrEnum):
    """Why a report was screened in or out."""

    ALLEGES_CRIME = "alleges_crime"
    CHILD_AT_RISK = "child_at_risk"
    MANDATED_INVESTIGATION = "mandated_investigation"
    NOT_A_CRIME = "not_a_crime"
    OUTSIDE_JURISDICTION = "outside_jurisdiction"
    DUPLICATE_REPORT = "duplicate_report"
    INSUFFICIENT_INFORMATION = "insufficient_information"
    OTHER_AGENCY_RESPONSIBLE = "other_agency_responsible"


class HandoverReason(StrEnum):
    """Why a case changes hands, or is let go."""

    LEFT_AGENCY = "left_agency"
    CHANGED_UNIT = "changed_unit"
    LEAVE = "leave"
    WORKLOAD = "workload"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    EXPERTISE = "expertise"
    OTHER = "other"


class ContactMethod(StrEnum):
    """How a victim was, or was to be, contacted."""

    IN_PERSON = "in_person"
    PHONE = "phone"
    LETTER = "letter"
    THROUGH_CAREGIVER = "through_caregiver"
    THROUGH_PARTNER = "through_partner"


class ContactFailure(StrEnum):
    """Why an attempted contact failed."""

    NO_ANSWER = "no_answer"
    MOVED_AWAY = "moved_away"
    WRONG_DETAILS = "wrong_details"
    REFUSED = "refused"
    POSTPONED = "postponed"


class Service(StrEnum):
    """What a partner agency is asked to do."""

    FORENSIC_INTERVIEW = "forensic_interview"
    MEDICAL_EVALUATION = "medical_evaluation"
    VICTIM_ADVOCACY = "victim_advocacy"
    CHILD_PROTECTIVE_SERVICES = "child_protective_services"
    PROSECUTOR = "prosecutor"
    MENTAL_HEALTH = "mental_health"
    OTHER = "other"


class ReferralReason(StrEnum):
    """Why a referral was declined or withdrawn."""

    OUTSIDE_CRITERIA = "outside_criteria"
    NO_CAPACITY = "no_capacity"
    FAMILY_DECLINED = "family_declined"
    COULD_NOT_REACH = "could_not_reach"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    NOT_NEEDED = "not_needed"
    MADE_IN_ERROR = "made_in_error"


class Step(StrEnum):
    """Kinds of investigative steps."""

    SCENE_VISITED = "scene_visited"
    WITNESS_INTERVIEWED = "witness_interviewed"
    SUSPECT_IDENTIFIED = "suspect_identified"
    SUSPECT_INTERVIEWED = "suspect_interviewed"
    FORENSIC_INTERVIEW_ATTENDED = "forensic_interview_attended"
    EVIDENCE_COLLECTED = "evidence_collected"
    EVIDENCE_ANALYSED = "evidence_analysed"
    RECORDS_REQUESTED = "records_requested"
    RECORDS_RECEIVED = "records_received"
    WARRANT_SOUGHT = "warrant_sought"
    ARREST_MADE = "arrest_made"
    PROSECUTOR_CONSULTED = "prosecutor_consulted"
    TEAM_REVIEW_HELD = "team_review_held"
    CORRESPONDENCE = "correspondence"
    OTHER = "other"


class ReviewResult(StrEnum):
    """What a supervisor's review of a case came to."""

    CONTINUE = "continue"
    STEPS_DIRECTED = "steps_directed"
    REASSIGNMENT_DIRECTED = "reassignment_directed"
    CLOSURE_ADVISED = "closure_advised"


class SuspensionReason(StrEnum):
    """Why work on a case is suspended."""

    AWAITING_LAB = "awaiting_lab"
    AWAITING_RECORDS = "awaiting_records"
    VICTIM_NOT_READY = "victim_not_ready"
    SUSPECT_NOT_FOUND = "suspect_not_found"
    PENDING_PROSECUTOR = "pending_prosecutor"
    PENDING_COURT = "pending_court"
    LACK_OF_PERSONNEL = "lack_of_personnel"
    OTHER = "other"


class ResumptionReason(StrEnum):
    """Why work on a suspended case goes on."""

    REVIEW_DATE_REACHED = "review_date_reached"
    AWAITED_ARRIVED = "awaited_arrived"
    NEW_INFORMATION = "new_information"
    SUPERVISOR_DIRECTED = "supervisor_directed"


class ClosureRefusal(StrEnum):
    """Why a supervisor refused a closure."""

    WORK_REMAINS = "work_remains"
    WRONG_DISPOSITION = "wrong_disposition"
    RATIONALE_INSUFFICIENT = "rationale_insufficient"
    CONDITIONS_NOT_MET = "conditions_not_met"


class ReopeningReason(StrEnum):
    """Why a case that had ended is opened again."""

    NEW_INFORMATION = "new_information"
    NEW_REPORT = "new_report"
    AUDIT = "audit"
    PARTNER_CONCERN = "partner_concern"
    CLOSED_IN_ERROR = "closed_in_error"
    MERGED_IN_ERROR = "merged_in_error"
    COURT_ORDER = "court_order"


class MergeReason(StrEnum):
    """Why a case goes on under the number of another."""

    SAME_INCIDENT = "same_incident"
    SAME_CHILD_AND_SUSPECT = "same_child_and_suspect"
    DUPLICATE_REPORT = "duplicate_report"


class Relation(StrEnum):
    """How two linked cases belong together."""

    SAME_CHILD = "same_child"
    SAME_SUSPECT = "same_suspect"
    SAME_ADDRESS = "same_address"
    SAME_INCIDENT = "same_incident"
    MERGED_FROM = "merged_from"
    OTHER = "other"


class ExtensionReason(StrEnum):
    """Why a decision takes longer: good cause (RSMo 210.183)."""

    AWAITING_LAB = "awaiting_lab"
    AWAITING_RECORDS = "awaiting_records"
    AWAITING_PARTNER = "awaiting_partner"
    VICTIM_NOT_READY = "victim_not_ready"
    NEW_INFORMATION = "new_information"
    OTHER = "other"


class CorrectionReason(StrEnum):
    """Why a recorded fact is corrected."""

    ENTERED_WRONG = "entered_wrong"
    NEW_INFORMATION = "new_information"
    SOURCE_CORRECTED = "source_corrected"


class ConcernKind(StrEnum):
    """What a partner is concerned about."""

    NO_RESPONSE = "no_response"
    NO_INVESTIGATOR = "no_investigator"
    NO_CONTACT_WITH_CHILD = "no_contact_with_child"
    INTERVIEW_NOT_ATTENDED = "interview_not_attended"
    CLOSED_WITHOUT_WORK = "closed_without_work"
    CHILD_NOT_SAFE = "child_not_safe"
    RECORD_WRONG = "record_wrong"
    OTHER = "other"


class ConcernAnswer(StrEnum):
    """How the unit answers a concern."""

    WORK_RESUMED = "work_resumed"
    INVESTIGATOR_ASSIGNED = "investigator_assigned"
    CONTACT_MADE = "contact_made"
    RECORD_CORRECTED = "record_corrected"
    EXPLAINED = "explained"
    DISAGREED = "disagreed"


class ConcernOutcome(StrEnum):
    """How a concern ends, as those see it who raised it, or oversight."""

    SETTLED = "settled"  # what was missing has been done
    EXPLANATION_ACCEPTED = "explanation_accepted"
    RAISED_IN_ERROR = "raised_in_error"
    TAKEN_FURTHER = "taken_further"  # to a court, an inspector, another agency


class Level(StrEnum):
    """Who is told of a missed deadline, step by step."""

    HOLDER = "holder"
    SUPERVISOR = "supervisor"
    COMMANDER = "commander"
    PARTNERS = "partners"  # the other agencies of the case
    OVERSIGHT = "oversight"


class Desk(StrEnum):
    """A desk of a unit: whoever sits there is told."""

    INTAKE = "intake"
    SUPERVISOR = "supervisor"
    COMMANDER = "commander"


class EscalationAnswer(StrEnum):
    """What is said to a missed deadline by those who were told of it."""

    BEING_WORKED_NOW = "being_worked_now"
    HANDED_OVER = "handed_over"  # to somebody who sees to it
    DONE_ENTERED_LATE = "done_entered_late"  # it had been done, and is entered now
    WAITING_FOR_OTHERS = "waiting_for_others"
    RESOURCES_ASKED_FOR = "resources_asked_for"  # it cannot be done with those who are there
    NOTHING_OWED = "nothing_owed"


class FindingAnswer(StrEnum):
    """What is said to a finding of a detector. It stands beside it, and does not settle it."""

    BEING_WORKED_NOW = "being_worked_now"
    HANDED_OVER = "handed_over"
    DONE_ENTERED_LATE = "done_entered_late"
    EXPLAINED = "explained"  # in the sealed text
    RESOURCES_ASKED_FOR = "resources_asked_for"
    UNDER_REVIEW = "under_review"  # by somebody outside the unit
    DISPUTED = "disputed"  # whoever answers does not see what the detector saw


class MachineKind(StrEnum):
    """What a machine of the log does."""

    RECORDER = "recorder"
    PROJECTOR = "projector"
    NOTARY = "notary"
    WATCHDOG = "watchdog"
    OUTBOX = "outbox"


class TokenKind(StrEnum):
    """Whom or what a blinded token stands for."""

    CHILD = "child"
    SUSPECT = "suspect"
    ADDRESS = "address"


class SealedName(StrEnum):
    """What a sealed field holds. The text itself is encrypted before it reaches the log."""

    CHILD_NAME = "child_name"
    CHILD_BIRTH_DATE = "child_birth_date"
    REPORTER_NAME = "reporter_name"
    REPORTER_CONTACT = "reporter_contact"
    SUSPECT_NAME = "suspect_name"
    SUSPECT_BIRTH_DATE = "suspect_birth_date"
    CAREGIVER_NAME = "caregiver_name"
    CAREGIVER_CONTACT = "caregiver_contact"
    ADDRESS = "address"
    NARRATIVE = "narrative"
    RATIONALE = "rationale"
    OLD_RECORD = "old_record"  # columns of an imported row that may name somebody
